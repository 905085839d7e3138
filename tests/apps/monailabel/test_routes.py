"""The server as its clients see it, on small images."""

import gc
import gzip
import io
import json
import os
import tempfile
import threading
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

pytest.importorskip("monailabel")
pytest.importorskip("httpx")

from fastapi.testclient import TestClient
from monailabel.interfaces.utils.app import app_instance
from requests_toolbelt import MultipartDecoder

from apps.monailabel import server
from apps.monailabel import store as store_module
from apps.monailabel.options import choices
from apps.monailabel.refusal import RefusalError
from apps.monailabel.routes import inference, training
from common.world.files import load_field

QUICK = {"moving": "b", "init": "moments", "effort": "none"}


@pytest.fixture(scope="module")
def client(studies):
    with TestClient(
        server.make_app(str(studies), ["testserver"], "cpu", max_waiting=1), raise_server_exceptions=False
    ) as found:
        yield found


def served(studies):
    return app_instance(str(Path(server.__file__).parent), str(studies))


def infer(client, task="register", image="a", output="json", **params):
    return client.post(f"/infer/{task}", params={"image": image, "output": output}, data={"params": json.dumps(params)})


def put_label(client, file, name="x.nii.gz", **query):
    return client.put("/datastore/label", params=query, files={"label": (name, file)})


def test_info_offers_two_tasks_per_bundle_and_their_dropdowns(client):
    info = client.get("/info/").json()
    assert len(info["models"]) == 12
    for name, model in info["models"].items():
        is_labels = name.endswith("_labels")
        bundle = name.removesuffix("_labels").replace("register", "none")
        assert model["type"] == ("segmentation" if is_labels else "others")
        assert model["config"] == choices(bundle, is_labels)
    assert info["datastore"]["total"] == 4


def test_all_three_outputs_agree(client):
    told = infer(client, **QUICK).json()
    image = infer(client, output="image", **QUICK).content
    parts = MultipartDecoder.from_response(infer(client, output="all", **QUICK)).parts
    assert json.loads(parts[0].content).keys() == told.keys()
    assert b'filename="a-warped.nii.gz"' in parts[1].headers[b"Content-Disposition"]
    volumes = [nib.Nifti1Image.from_bytes(gzip.decompress(x)).get_fdata() for x in (image, parts[1].content)]
    assert np.array_equal(*volumes)


def test_field_and_figures_are_fetched_from_where_the_answer_says(client, tmp_path):
    told = infer(client, **QUICK).json()
    (tmp_path / "field.nii.gz").write_bytes(client.get(told["field"]["url"]).content)
    assert load_field(tmp_path / "field.nii.gz")[1].spatial_shape == (20, 22, 18)
    assert client.get(told["metrics"]["url"]).json()["similarity"] == told["similarity"]
    assert client.head(told["field"]["url"]).status_code == 200


def test_next_sample_is_an_image_without_label_and_its_file_can_be_fetched(client):
    found = client.post("/activelearning/random", json={"client_id": "me"}).json()
    assert found == {"id": "d", "name": "d"}
    assert client.get("/datastore/image", params={"image": "d"}).status_code == 200


def test_a_saved_label_becomes_an_atlas(client, studies):
    label = (studies / "labels" / "final" / "b.nii.gz").read_bytes()
    names = json.dumps({"label_info": [{"name": "rind", "idx": 1}]})
    answer = client.put(
        "/datastore/label",
        params={"image": "b", "tag": "atlas"},
        data={"params": names},
        files={"label": ("x.nii.gz", label)},
    )
    assert answer.json() == {"image": "b", "label": "b"}
    told = infer(client, "register_labels", **QUICK | {"moving": "nearest", "tag": "atlas"}).json()
    assert told["moving"] == "b"
    assert told["label_names"] == {"rind": 1, "label 2": 2}


def test_nothing_that_a_client_reads_names_a_folder_of_the_server(client, studies):
    infer(client, **QUICK)
    texts = [
        client.get("/info/").text,
        client.get("/datastore/?output=all").text,
        client.get("/datastore/image/info?image=a").text,
        client.get("/datastore/label/info?label=b&tag=final").text,
        infer(client, **QUICK).text,
    ]
    assert not any(str(studies) in text for text in texts)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/datastore/?output=train", 422),
        ("GET", "/datastore/dataset", 404),
        ("GET", "/datastore/image?image=../a", 422),
        ("GET", "/datastore/label?label=a&tag=../..", 422),
        ("GET", "/datastore/label?label=a&tag=other", 404),
        ("PUT", "/datastore/image?image=x", 405),
        ("PUT", "/datastore/?image=x", 405),
        ("DELETE", "/datastore/image?id=a", 405),
        ("DELETE", "/datastore/label?id=a&tag=final", 405),
        ("PUT", "/session/", 404),
        ("PUT", "/model/register", 404),
        ("DELETE", "/model/register", 404),
        ("POST", "/batch/infer/register", 404),
        ("POST", "/train/register", 404),
        ("POST", "/train/", 405),
        ("POST", "/activelearning/other", 404),
        ("GET", "/proxy/dicom/x", 404),
        ("GET", "/logs/", 404),
        ("GET", "/docs", 404),
        ("POST", "/reload", 404),
    ],
)
def test_other_routes_are_not_there(client, method, path, status):
    assert client.request(method, path).status_code == status


@pytest.mark.parametrize("tag", ["../../x", "..", "/tmp/x", "field-from-b-by-register"])
def test_a_label_is_not_saved_under_a_tag_that_leaves_the_store_or_is_kept(client, studies, tag):
    before = sorted(studies.parent.rglob("*"))
    label = (studies / "labels" / "final" / "b.nii.gz").read_bytes()
    assert put_label(client, label, image="a", tag=tag).status_code == 422
    assert sorted(studies.parent.rglob("*")) == before


@pytest.mark.parametrize(
    ("content", "name"), [(b"no image", "x.nii.gz"), (None, "x.nrrd"), (b"", "x.nii"), (None, "x.nii.gz.sh")]
)
def test_what_is_no_label_map_is_not_saved(client, studies, content, name):
    content = (studies / "labels" / "final" / "b.nii.gz").read_bytes() if content is None else content
    answer = put_label(client, content, name, image="d", tag="draft")
    assert answer.status_code == 422
    assert tempfile.gettempdir() not in answer.text
    assert not (studies / "labels" / "draft").exists()


def test_the_log_of_the_server_tells_the_cause_of_a_refusal(client, studies, monkeypatch, caplog):
    def full(path, write):
        raise OSError(28, "No space left on device", "/disk")

    monkeypatch.setattr(store_module, "write_atomically", full)
    with caplog.at_level("INFO", "uvicorn.error"):
        infer(client, image="nobody", **QUICK)
        infer(client, **QUICK)
    assert caplog.messages == ["image: there is no image 'nobody'", "[Errno 28] No space left on device: '/disk'"]


def test_a_refusal_after_a_while_leaves_no_traceback_in_the_log(client, studies, monkeypatch, caplog):
    def refuse(*args):
        time.sleep(0.2)
        raise RefusalError(422, "no")

    monkeypatch.setattr(inference, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(served(studies), "answer", refuse)
    assert [infer(client, **QUICK).status_code for _ in range(2)] == [422, 422]
    gc.collect()
    assert not [record for record in caplog.records if record.name == "asyncio"]


def test_files_and_sessions_are_refused_by_infer(client):
    files = {"file": ("x.nii.gz", io.BytesIO(b"x"))}
    assert client.post("/infer/register?image=a", files=files).status_code == 422
    assert client.post("/infer/register?image=a&session_id=1").status_code == 422


@pytest.mark.parametrize("text", ["{", "[]", "3", "[" * 100_000])
def test_params_that_are_no_object_are_refused(client, text):
    assert client.post("/infer/register?image=a", data={"params": text}).status_code == 422


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://example.org"}, 403),
        ({"Host": "example.org"}, 400),
        ({"Content-Length": str(2**40)}, 413),
        ({"Origin": "http://testserver"}, 200),
    ],
)
def test_other_sites_and_huge_uploads_are_refused(client, headers, status):
    assert client.get("/info/", headers=headers).status_code == status


def test_a_full_disk_leaves_the_old_field_and_the_server_goes_on(client, studies, monkeypatch):
    told = infer(client, **QUICK).json()
    place = studies / "labels" / told["field"]["tag"] / "a.nii.gz"
    before = place.read_bytes()

    def full(path, write):
        raise OSError(28, "No space left on device", str(path))

    with monkeypatch.context() as planted:
        planted.setattr(store_module, "write_atomically", full)
        answer = infer(client, **QUICK)
        assert (answer.status_code, answer.json()["detail"]) == (
            503,
            "the server cannot read or write: No space left on device",
        )
        label = (studies / "labels" / "final" / "b.nii.gz").read_bytes()
        assert put_label(client, label, image="a", tag="draft").status_code == 503
    assert place.read_bytes() == before
    assert infer(client, **QUICK).status_code == 200


def test_a_full_line_answers_503_and_info_meanwhile(client, studies, monkeypatch):
    gate, statuses, app = threading.Event(), [], served(studies)
    answer = app.answer
    monkeypatch.setattr(app, "answer", lambda *args: gate.wait(60) and answer(*args))
    threads = [threading.Thread(target=lambda: statuses.append(infer(client, **QUICK).status_code)) for _ in range(5)]
    for thread in threads:
        thread.start()
    while len(statuses) < 3:
        assert client.get("/info/").status_code == 200
    gate.set()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200, 200, 503, 503, 503]


def test_a_training_takes_the_options_that_it_names_and_is_told_without_folders(client, studies, monkeypatch):
    class Trainer:
        def config(self):
            return {"max_epochs": 1}

        def check(self, params, datastore):
            if params.get("max_epochs") == 0:
                raise ValueError("/data/x.json: expected an epoch")

    app = served(studies)
    monkeypatch.setattr(app, "_trainers", {"some": Trainer()})
    monkeypatch.setattr(app, "refused_trainings", {"other": "it learns from clouds"})
    task = {"id": 1, "status": "SUBMITTED", "details": ["wrote /data/runs/model.pt"]}
    monkeypatch.setattr(training.AsyncTask, "run", lambda *args: (task, None))
    assert client.post("/train/some", json={"max_epochs": 2, "client_id": "me"}).json()["details"] == ["wrote model.pt"]
    for name, params, reason in (
        ("some", {"init_path": "/x"}, "params: there is no option 'init_path'"),
        ("some", {"max_epochs": 0}, "x.json: expected an epoch"),
        ("other", {}, "other cannot be trained here: it learns from clouds"),
    ):
        answer = client.post(f"/train/{name}", json=params)
        assert (answer.status_code, answer.json()["detail"]) == (422, reason)


def test_new_and_deleted_files_are_noticed(client, studies):
    os.link(studies / "a.nii.gz", studies / "new.nii.gz")
    assert infer(client, image="new", **QUICK).status_code == 200
    (studies / "new.nii.gz").unlink()
    assert infer(client, image="new", **QUICK).status_code == 404
