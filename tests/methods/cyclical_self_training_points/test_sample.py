"""Lung-shaped keypoint clouds."""

import pytest
import torch

from common.methods.cyclical_self_training_points.sample import sample_keypoint_pair


def test_clouds_have_the_numbers_asked_for_and_stay_in_the_unit_cube():
    for index in range(5):
        pair = sample_keypoint_pair(index, num_fixed=500, num_moving=900, num_landmarks=50)
        assert [len(pair[key]) for key in ("fixed_points", "moving_points", "fixed_landmarks")] == [500, 900, 50]
        assert all(pair[key].abs().max() <= 1 for key in pair.keys() - {"mm_per_unit"})


def test_the_seed_and_the_index_decide():
    first, again = sample_keypoint_pair(1, seed=2), sample_keypoint_pair(1, seed=2)
    assert all(torch.equal(first[key], again[key]) for key in first)
    for other in (sample_keypoint_pair(2, seed=2), sample_keypoint_pair(1, seed=3)):
        assert not torch.equal(first["fixed_points"], other["fixed_points"])


def test_landmarks_move_about_as_far_as_in_breathing_and_smoothly():
    pair = sample_keypoint_pair(0)
    motion_mm = (pair["moving_landmarks"] - pair["fixed_landmarks"]) * pair["mm_per_unit"]
    assert 5 < motion_mm.norm(dim=1).mean() < 25
    distance = torch.cdist(pair["fixed_landmarks"], pair["fixed_landmarks"]) + torch.eye(300)
    difference = torch.cdist(motion_mm, motion_mm) / pair["mm_per_unit"].mean()
    assert (difference / distance).max() < 0.6


def test_most_fixed_points_have_a_partner_in_the_moving_cloud_after_the_motion():
    pair = sample_keypoint_pair(0)
    nearest = torch.cdist(pair["fixed_landmarks"], pair["fixed_points"]).argmin(1)
    motion = pair["moving_landmarks"] - pair["fixed_landmarks"]
    moved = pair["fixed_points"][nearest] + motion
    before = torch.cdist(pair["fixed_points"][nearest], pair["moving_points"]).amin(1).mean()
    assert torch.cdist(moved, pair["moving_points"]).amin(1).mean() < 0.7 * before


@pytest.mark.parametrize("options", [{"index": -1}, {"index": 0, "num_fixed": 0}, {"index": 0, "num_landmarks": 0}])
def test_counts_below_one_and_negative_indices_are_refused(options):
    with pytest.raises(ValueError, match="expected an index from 0 and at least 1 point of each kind"):
        sample_keypoint_pair(**options)
