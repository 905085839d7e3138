import json
import os

import numpy as np
import pytest
import torch

from common.files import existing_file, new_folder, plain, read_dataset_json, write_atomically, write_json


def test_floats_keep_full_precision(tmp_path):
    value = 0.1 + 0.2
    write_json(tmp_path / "a.json", {"value": np.float64(value), "tensor": torch.tensor(value, dtype=torch.float64)})
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == {"value": value, "tensor": value}


def test_nan_and_infinity_become_null(tmp_path):
    write_json(tmp_path / "a.json", {"nan": float("nan"), "inside": [float("inf"), 1.0]})
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == {"nan": None, "inside": [None, 1.0]}


def test_arrays_become_lists():
    assert plain({1: np.eye(2), "t": (torch.arange(3),)}) == {"1": [[1.0, 0.0], [0.0, 1.0]], "t": [[0, 1, 2]]}


def test_plain_lists_stand_on_one_line(tmp_path):
    write_json(tmp_path / "a.json", {"confusion": np.eye(3), "names": ["a, b", "c"], "inside": [{"x": 1}]})
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert "    [1.0, 0.0, 0.0],\n" in text
    assert '"names": ["a, b", "c"]' in text
    assert json.loads(text)["inside"] == [{"x": 1}]


def test_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError):
        write_atomically(path, lambda stream: stream.write(b"new") // 0)
    assert path.read_text(encoding="utf-8") == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_object_without_json_form_is_refused(tmp_path):
    with pytest.raises(TypeError, match="not JSON serializable"):
        write_json(tmp_path / "a.json", {"network": torch.nn.Linear(1, 1)})
    assert os.listdir(tmp_path) == []


def test_the_folder_appears_with_its_content_and_nothing_else_stays(tmp_path):
    with new_folder(tmp_path / "deep" / "data") as folder:
        (folder / "a.txt").write_text("a")
        assert not (tmp_path / "deep" / "data").exists()
    assert (tmp_path / "deep" / "data" / "a.txt").read_text(encoding="utf-8") == "a"
    assert [entry.name for entry in (tmp_path / "deep").iterdir()] == ["data"]


def test_the_folder_is_as_readable_as_one_made_by_hand(tmp_path):
    (tmp_path / "by_hand").mkdir()
    with new_folder(tmp_path / "data"):
        pass
    assert (tmp_path / "data").stat().st_mode == (tmp_path / "by_hand").stat().st_mode


def test_an_error_leaves_nothing(tmp_path):
    with pytest.raises(FileNotFoundError), new_folder(tmp_path / "data") as folder:
        (folder / "absent" / "a.txt").write_text("a")
    assert not list(tmp_path.iterdir())


def test_an_existing_folder_is_kept(tmp_path):
    with pytest.raises(FileExistsError, match="a folder that does not exist yet"), new_folder(tmp_path):
        pass
    assert tmp_path.exists()


def test_a_relative_and_an_absolute_name_give_the_same_absolute_path(tmp_path):
    (tmp_path / "a.nii").write_bytes(b"image")
    assert existing_file(tmp_path, "./a.nii", "image") == existing_file("elsewhere", str(tmp_path / "a.nii"), "image")


def test_a_missing_file_comes_with_what_its_folder_holds(tmp_path):
    for number in range(8):
        (tmp_path / f"{number}.nii").touch()
    with pytest.raises(
        FileNotFoundError, match=r"expected the file .*a\.nii, but its folder holds 0\.nii, .* and 2 more"
    ):
        existing_file(tmp_path, "a.nii", "image")


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe"])
def test_what_is_no_json_is_refused_by_name(tmp_path, content):
    (tmp_path / "dataset.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"dataset\.json: expected JSON"):
        read_dataset_json(tmp_path / "dataset.json")
