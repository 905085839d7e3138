import numpy as np
import pytest
import torch

from common.methods.cyclical_self_training_points.belief_propagation import message_minimum
from common.methods.cyclical_self_training_points.sample import sample_keypoint_pair


@pytest.fixture
def study(load_script, tmp_path, monkeypatch):
    module = load_script("keypoint_study")
    monkeypatch.setattr(module, "RESULTS", tmp_path / "results" / "keypoint_study.json")
    return module


@pytest.fixture
def archives(tmp_path):
    sample = sample_keypoint_pair(0, num_fixed=60, num_moving=90, num_landmarks=9)
    names = {"fixed_points": "fixed_keypoints", "moving_points": "moving_keypoints"}
    content = {names.get(key, key): np.asarray(value) for key, value in sample.items()}
    np.savez(tmp_path / "copd_01.npz", **content)
    return str(tmp_path)


def test_plain_version_of_the_timing_computes_the_same(study):
    generator = torch.Generator().manual_seed(0)
    costs, ends = torch.rand(20, 6, generator=generator), torch.rand(2, 20, 6, 3, generator=generator)
    expected = message_minimum(costs, ends[0], ends[1], 10.0, False)[0]
    assert torch.allclose(study.cdist_minimum(costs, ends[0], ends[1], 10.0, False)[0], expected, atol=1e-5)


def test_scored_result_becomes_a_row_of_the_table(study, archives, capsys):
    study.score("ours", archives, weights="", num_candidates=16)
    study.table()
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("| ours | ")
    assert last.count("|") == 6
