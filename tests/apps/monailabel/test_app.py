"""The app inside MONAI Label's own server."""

import json
import shutil
from pathlib import Path

import pytest

pytest.importorskip("monailabel")

from fastapi import HTTPException
from monailabel.datastore.local import LocalDatastore
from monailabel.interfaces.utils.app import app_instance

import apps.monailabel
from apps.monailabel.store import Store
from apps.monailabel.studies import labeled_images

APP_DIR = str(Path(apps.monailabel.__file__).parent)


@pytest.fixture
def app(studies):
    return app_instance(APP_DIR, f"{studies}/.", {"device": "cpu"})


def test_an_answer_has_the_form_of_its_endpoint(app):
    request = {"model": "register_labels", "image": "a", "moving": "b", "affine": "rigid", "effort": "fast"}
    result = app.infer(request)
    assert Path(result["file"]).name.endswith("warped_label.nii.gz")
    assert result["params"]["overlap"]["after"]["dice"] > 0.9
    Path(result["file"]).unlink()


@pytest.mark.parametrize(
    ("request_", "status"),
    [({"model": "x"}, 404), ({"model": "register", "image": "/etc/passwd", "moving": "b"}, 422), ({}, 404)],
)
def test_a_refusal_has_the_status_of_http(app, request_, status):
    with pytest.raises(HTTPException) as error:
        app.infer(request_)
    assert error.value.status_code == status


def test_there_is_no_batch(app):
    with pytest.raises(HTTPException):
        app.batch_infer({"model": "register", "images": "all"})


def test_the_store_keeps_json_and_nifti_and_finds_them_again(studies, tmp_path):
    store = Store(str(studies))
    (tmp_path / "metrics.json").write_text(json.dumps({"x": 1}))
    store.save_label("a", str(tmp_path / "metrics.json"), "metrics-from-b", {"moving": "b"})
    again = Store(str(studies))
    assert json.loads(Path(again.get_label_uri("a", "metrics-from-b")).read_text(encoding="utf-8")) == {"x": 1}
    assert again.get_label_info("a", "metrics-from-b")["moving"] == "b"


def test_a_file_that_no_client_can_name_is_not_there(studies, tmp_path):
    for name in ("a.nii.gz", "two words.nii.gz"):
        for place in (tmp_path / name, tmp_path / "labels" / "final" / name):
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(studies / "a.nii.gz", place)
    LocalDatastore(str(tmp_path), extensions=("*.nii.gz",))  # writes its list of files
    store = Store(str(tmp_path))
    assert store.list_images() == list(labeled_images(store, "final")) == ["a"]


@pytest.mark.parametrize("tag", ["../x", "a/b", ""])
def test_the_store_keeps_nothing_outside(studies, tag):
    store = Store(str(studies))
    with pytest.raises(Exception, match="tag: expected"):
        store.save_label("a", str(studies / "b.nii.gz"), tag, {})
    with pytest.raises(Exception, match="image: expected"):
        store.add_image("../x", str(studies / "b.nii.gz"), {})
