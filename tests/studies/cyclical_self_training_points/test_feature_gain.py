import pytest
import torch

from common.methods.cyclical_self_training_points.sample import sample_keypoint_pair


@pytest.fixture
def study(load_script):
    return load_script("feature_gain")


def test_a_share_of_the_points_is_part_of_them_and_the_same_each_time(study):
    pair = sample_keypoint_pair(0, num_fixed=80, num_moving=90, num_landmarks=7)
    parts = [study.thinned(pair, 0.25, seed=1) for _ in range(2)]
    assert len(parts[0]["fixed_points"]) == 20
    assert torch.equal(parts[0]["moving_points"], parts[1]["moving_points"])
    assert set(map(tuple, parts[0]["moving_points"].tolist())) < set(map(tuple, pair["moving_points"].tolist()))


def test_cases_that_gain_and_lose_are_counted(study, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(study, "RESULTS", tmp_path / "feature_gain.json")
    monkeypatch.setattr(study, "SETTINGS", {"as shipped": {}})
    scores = {"item": ["a", "b", "c"], "before": [9.0, 9, 9], "none": [3.0, 2, 2], "features": [2.0, 2.01, 2.3]}
    study.write_row(study.RESULTS, "as shipped", {"settings": {}, "scores": scores})
    study.table()
    assert capsys.readouterr().out.splitlines()[-1] == "| as shipped | 9.00 | 2.33 | 2.10 | 1 | 1 |"
