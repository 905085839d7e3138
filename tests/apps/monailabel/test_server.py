"""The server as a process."""

import tempfile
import time
from pathlib import Path

import pytest

pytest.importorskip("monailabel")
pytest.importorskip("requests")

import requests

from apps.monailabel.server import make_app
from apps.monailabel.trial import _leftovers
from apps.monailabel.trial_server import call, infer, running_server


def test_a_client_that_goes_is_forgotten_and_the_server_ends_at_once(studies):
    with running_server(studies, "--device", "cpu") as url:
        answers = [infer(url, "register", "a", moving="b", affine="none", effort="fast").status_code]
        for _ in range(4):
            with pytest.raises(requests.exceptions.Timeout):
                requests.post(
                    f"{url}/infer/register", params={"image": "a"}, data={"params": '{"moving": "b"}'}, timeout=0.5
                )
        answers.append(infer(url, "register", "a", moving="c", affine="none", effort="fast").status_code)
        tags = call("GET", url, "/datastore/").json()["label_tags"]
        assert _leftovers() == set()
        started = time.perf_counter()
        with pytest.raises(requests.exceptions.Timeout):
            requests.post(
                f"{url}/infer/register", params={"image": "a"}, data={"params": '{"moving": "b"}'}, timeout=0.5
            )
    assert time.perf_counter() - started < 15
    assert not list(Path(tempfile.gettempdir()).glob("registration-server-*"))
    assert answers == [200, 200]
    assert tags["field-from-c-by-register"] == 1


def test_another_place_than_a_folder_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="expected a folder of NIfTI images"):
        make_app(str(tmp_path / "none"), ["testserver"])
    assert not Path(tmp_path, "none").exists()
