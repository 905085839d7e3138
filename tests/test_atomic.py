import json
import os

import numpy as np
import pytest
import torch

from common.atomic import plain, write_atomically, write_json


def test_floats_keep_full_precision(tmp_path):
    value = 0.1 + 0.2
    write_json(tmp_path / "a.json", {"value": np.float64(value), "tensor": torch.tensor(value, dtype=torch.float64)})
    assert json.loads((tmp_path / "a.json").read_text()) == {"value": value, "tensor": value}


def test_nan_and_infinity_become_null(tmp_path):
    write_json(tmp_path / "a.json", {"nan": float("nan"), "inside": [float("inf"), 1.0]})
    assert json.loads((tmp_path / "a.json").read_text()) == {"nan": None, "inside": [None, 1.0]}


def test_arrays_become_lists():
    assert plain({1: np.eye(2), "t": (torch.arange(3),)}) == {"1": [[1.0, 0.0], [0.0, 1.0]], "t": [[0, 1, 2]]}


def test_plain_lists_stand_on_one_line(tmp_path):
    write_json(tmp_path / "a.json", {"confusion": np.eye(3), "names": ["a, b", "c"], "inside": [{"x": 1}]})
    text = (tmp_path / "a.json").read_text()
    assert "    [1.0, 0.0, 0.0],\n" in text
    assert '"names": ["a, b", "c"]' in text
    assert json.loads(text)["inside"] == [{"x": 1}]


def test_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError):
        write_atomically(path, lambda stream: stream.write(b"new") // 0)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_object_without_json_form_is_refused(tmp_path):
    with pytest.raises(TypeError, match="not JSON serializable"):
        write_json(tmp_path / "a.json", {"network": torch.nn.Linear(1, 1)})
    assert os.listdir(tmp_path) == []
