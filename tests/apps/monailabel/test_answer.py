"""From a request to a file, its facts, and what is kept in the datastore."""

import json
import os
import tempfile
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from apps.monailabel.answer import Task, Work
from apps.monailabel.options import choices, read_options
from apps.monailabel.refusal import RefusalError
from common.registration.greedy import refinement_of
from common.registration.outputs import METRICS_FILE
from common.registration.registrar import Registrar
from common.registration.result import Registration
from common.world.files import load_field

WARP, LABELS = Task("register", "none", False), Task("register_labels", "none", True)
REGISTRAR = Registrar(refinement=refinement_of("fast", "mse"))


def work(store, task, image, **params):
    return Work(task, image, read_options(params, choices("none", task.is_labels)), store, REGISTRAR)


def answer(store, task, image, **params):
    file, told = work(store, task, image, **params).answer()
    try:
        return nib.load(file).get_fdata(), told
    finally:
        file.unlink()


def refused(store, task, image, **params):
    with pytest.raises(RefusalError) as error:
        work(store, task, image, **params).answer()
    assert str(store.folder) not in str(error.value)
    return error.value.status, str(error.value)


def test_the_moving_image_comes_warped_and_field_and_figures_are_kept_under_the_fixed_one(store):
    warped, told = answer(store, WARP, "a", moving="b")
    fixed, moving = (nib.load(store.folder / f"{name}.nii.gz").get_fdata() for name in "ab")
    assert np.abs(warped - fixed).mean() < 0.5 * np.abs(moving - fixed).mean()
    assert told["field"]["url"] == "/datastore/label?label=a&tag=field-from-b-by-register"
    field, grid = load_field(store.get_label_uri("a", told["field"]["tag"]))
    assert tuple(field.shape[1:]) == warped.shape == grid.spatial_shape
    kept = json.loads(Path(store.get_label_uri("a", told["metrics"]["tag"])).read_text(encoding="utf-8"))
    assert (kept["fixed"], kept["moving"], kept["task"]) == ("a", "b", "register")
    assert kept["similarity"] == told["similarity"]
    assert told["similarity"]["after"]["correlation"] > told["similarity"]["before"]["correlation"]
    assert told["regularity"]["folding_fraction"] == 0
    assert told["seconds"] > 0


def test_a_verdict_is_told_where_there_is_one(store, monkeypatch):
    verdict = {"grade": "doubtful", "reasons": ["the label shrinks"], "measures": {}}
    save = Registration.save

    def judged(registration, folder, *args, **options):
        save(registration, folder, *args, **options)
        metrics = json.loads((folder / METRICS_FILE).read_text(encoding="utf-8"))
        (folder / METRICS_FILE).write_text(json.dumps(metrics | {"verdict": verdict}))

    monkeypatch.setattr(Registration, "save", judged)
    assert answer(store, WARP, "a", moving="b")[1]["verdict"] == verdict


def test_no_path_of_the_server_is_told(store):
    _, told = answer(store, LABELS, "a", moving="b")
    kept = Path(store.get_label_uri("a", told["metrics"]["tag"])).read_text(encoding="utf-8")
    assert not any(str(store.folder) in text or tempfile.gettempdir() in text for text in (kept, json.dumps(told)))


def test_the_label_is_carried_over_with_its_dice_and_names(store):
    store.info["b", "final"] = {"label_info": [{"name": "rind", "idx": 1}]}
    label, told = answer(store, LABELS, "a", moving="b")
    assert label.dtype.kind == "f"
    assert set(np.unique(label)) == {0, 1, 2}
    assert told["label_names"] == {"rind": 1, "label 2": 2}
    assert told["overlap"]["after"]["dice"] > max(0.9, told["overlap"]["before"]["dice"])


def test_nearest_takes_the_labeled_images_and_never_the_fixed_one(store):
    _, told = answer(store, LABELS, "d", moving="nearest")
    assert told["moving"] in "abc"
    assert "atlases" not in told
    assert answer(store, LABELS, "a", moving="nearest")[1]["moving"] in "bc"


@pytest.mark.parametrize("fusion", ["majority", "local"])
def test_several_atlases_are_fused_to_a_label_like_each_of_them(store, fusion):
    label, told = answer(store, LABELS, "a", moving="nearest", neighbors="3", fusion=fusion)
    assert sorted(entry["moving"] for entry in told["atlases"]) == ["b", "c"]
    assert all(store.get_label_uri("a", entry["field"]["tag"]) for entry in told["atlases"])
    assert told["overlap"]["after"]["dice"] > 0.85
    assert set(np.unique(label)) == {0, 1, 2}


def test_a_tag_names_the_atlases(store):
    (store.folder / "labels" / "atlas").mkdir()
    os.link(store.folder / "labels" / "final" / "c.nii.gz", store.folder / "labels" / "atlas" / "c.nii.gz")
    _, told = answer(store, LABELS, "a", moving="nearest", tag="atlas", neighbors="3")
    assert told["moving"] == "c"


@pytest.mark.parametrize(
    ("task", "image", "params", "status", "message"),
    [
        (WARP, "../a", {"moving": "b"}, 422, "image: expected 1 to 200 letters"),
        (WARP, "a", {"moving": "/etc/passwd"}, 422, "moving: expected 1 to 200 letters"),
        (WARP, "x", {"moving": "b"}, 404, "image: there is no image 'x'"),
        (WARP, "a", {"moving": "x"}, 404, "moving: there is no image 'x'"),
        (WARP, "a", {"moving": "a"}, 422, "another image than the fixed one"),
        (LABELS, "a", {"moving": "d"}, 404, "'d' has no label with the tag 'final'"),
        (LABELS, "a", {"moving": "nearest", "tag": "none"}, 404, "no other image has a label with the tag 'none'"),
        (LABELS, "a", {"moving": "nearest", "tag": "../x"}, 422, "tag: expected"),
    ],
)
def test_what_is_refused(store, task, image, params, status, message):
    found = refused(store, task, image, **params)
    assert found[0] == status
    assert message in found[1]


def test_a_file_of_four_axes_is_refused_by_its_id(store):
    nib.save(nib.Nifti1Image(np.zeros((4, 4, 4, 2), np.float32), np.eye(4)), store.folder / "e.nii.gz")
    assert refused(store, WARP, "a", moving="e") == (
        422,
        "e: expected three axes (X, Y, Z), found the shape (4, 4, 4, 2)",
    )


def test_images_far_apart_are_refused_in_the_words_of_the_options(store):
    affine = np.eye(4)
    affine[0, 3] = 1000
    nib.save(nib.Nifti1Image(nib.load(store.folder / "a.nii.gz").get_fdata(), affine), store.folder / "far.nii.gz")
    status, message = refused(store, WARP, "a", moving="far")
    assert status == 422
    assert "centers 1000 mm apart" in message
    assert "--" not in message


def test_a_file_that_is_gone_is_refused(store, monkeypatch):
    monkeypatch.setattr(store, "get_image_uri", lambda name: str(store.folder / "gone.nii.gz"))
    assert refused(store, WARP, "a", moving="b") == (404, "image: the file of 'a' is no longer there")


def leftovers():
    return {name for name in os.listdir(tempfile.gettempdir()) if name.startswith("registration-")}


def test_a_full_disk_is_told_and_leaves_nothing(store, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device", str(store.folder))

    before = leftovers()
    monkeypatch.setattr(store, "save_label", full)
    assert refused(store, WARP, "a", moving="b") == (503, "the server cannot read or write: No space left on device")
    assert leftovers() == before


def test_work_that_is_stopped_at_a_step_leaves_nothing(store):
    def stop(step):
        raise RefusalError(499, "gone")

    before, stopped = leftovers(), work(store, WARP, "a", moving="b")
    stopped.on_progress = stop
    with pytest.raises(RefusalError):
        stopped.answer()
    assert leftovers() == before
    assert store.get_label_uri("a", "field-from-b-by-register") == ""
