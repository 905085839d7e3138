"""The server as a process."""

import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("monailabel")
pytest.importorskip("requests")

import requests

from apps.monailabel import server
from apps.monailabel.trial import leftovers
from apps.monailabel.trial_server import call, infer, running_server


def test_a_client_that_goes_is_forgotten_and_the_server_ends_at_once(studies):
    with running_server(studies, "--device", "cpu") as url:
        answers = [infer(url, "register", "a", moving="b", init="moments", effort="none").status_code]
        for _ in range(4):
            with pytest.raises(requests.exceptions.Timeout):
                requests.post(
                    f"{url}/infer/register", params={"image": "a"}, data={"params": '{"moving": "b"}'}, timeout=0.5
                )
        answers.append(infer(url, "register", "a", moving="c", init="moments", effort="none").status_code)
        tags = call("GET", url, "/datastore/").json()["label_tags"]
        assert leftovers(studies) == set()
        started = time.perf_counter()
        with pytest.raises(requests.exceptions.Timeout):
            requests.post(
                f"{url}/infer/register", params={"image": "a"}, data={"params": '{"moving": "b"}'}, timeout=0.5
            )
    assert time.perf_counter() - started < 15
    assert not list(studies.parent.glob("registration-server-*"))
    assert answers == [200, 200]
    assert tags["field-from-c-by-register"] == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--studies", "nowhere"], "error: studies: expected a folder of NIfTI images, got "),
        (["--studies", ".", "--port", "http"], "error: port, max_waiting: expected whole"),
        (["--studies", ".", "--max_waiting", "-1"], "error: port, max_waiting: expected whole"),
        (["--studies", ".", "--device", "gpu"], "error: device: expected one of cpu"),
    ],
)
def test_what_the_command_line_gets_wrong_is_told_in_one_line(monkeypatch, words, message):
    monkeypatch.setattr(sys, "argv", ["server.py", *words])
    with pytest.raises(SystemExit) as end:
        server.main()
    assert str(end.value).startswith(message)
    assert "\n" not in str(end.value)


def test_a_missing_package_leads_to_the_readme(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "argv", ["server.py", "--studies", str(tmp_path)])
    monkeypatch.setitem(sys.modules, "monailabel.interfaces.utils.app", None)
    with pytest.raises(SystemExit, match=r"monailabel.*README\.md tells what to install"):
        server.main()


def test_the_inventory_counts_images_and_labels_and_names_what_is_passed_over(store):
    (store.folder / "two words.nii.gz").touch()
    (store.folder / "UPPER.NII").touch()
    store.list_images = lambda: ["a", "b", "c", "d"]
    assert server.inventory(store.folder, store) == (
        "4 images, 3 with a final label; passed over for their names: UPPER.NII, two words.nii.gz"
    )


def test_another_place_than_a_folder_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="expected a folder of NIfTI images"):
        server.make_app(str(tmp_path / "none"), ["testserver"])
    assert not Path(tmp_path, "none").exists()
