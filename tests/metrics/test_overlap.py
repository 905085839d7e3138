import math

import pytest
import torch
from monai.data import MetaTensor

from common.metrics.overlap import label_of, one_hot_label, overlap_scores


def cubes(shift):
    label = torch.zeros(1, 12, 12, 12)
    label[0, 2:6, 2:6, 2:6] = 1
    label[0, 7:10, 7:10, 7:10] = 2
    return label, label.roll(shift, dims=1)


def test_one_hot_and_back_is_the_label():
    label = cubes(0)[0]
    assert torch.equal(label_of(one_hot_label(label, 2)), label)


def test_equal_labels_score_one_and_zero():
    label, same = cubes(0)
    scores = overlap_scores(label, same, (1, 1, 1), 2)
    assert scores["dice"] == scores["dice_1"] == scores["dice_2"] == 1
    assert scores["hd95_mm"] == 0


def test_shift_by_one_voxel_scores_as_computed_by_hand():
    scores = overlap_scores(*cubes(1), (2.0, 1.0, 1.0), 2)
    assert scores["dice_1"] == pytest.approx(3 / 4)
    assert scores["dice_2"] == pytest.approx(2 / 3)
    assert scores["dice"] == pytest.approx((3 / 4 + 2 / 3) / 2)
    assert scores["hd95_mm_1"] == pytest.approx(2.0)


def test_means_leave_a_missing_structure_out():
    label, fixed = cubes(0)
    fixed[fixed == 2] = 0
    scores = overlap_scores(label, fixed, (1, 1, 1), 2)
    assert scores["dice"] == scores["dice_1"] == 1
    assert scores["dice_2"] != scores["dice_2"]


def test_a_structure_that_vanishes_is_counted_and_said():
    label, fixed = cubes(0)
    label[label == 2] = 0
    with pytest.warns(UserWarning, match="none of the structures 2; their distance is left out of the mean"):
        scores = overlap_scores(label, fixed, (1, 1, 1), 2)
    assert (scores["dice"], scores["hd95_mm"], scores["hd95_missing"]) == (0.5, 0.0, 1.0)


def test_nothing_is_missing_where_the_fixed_label_lacks_a_structure_or_has_all(recwarn):
    label, fixed = cubes(0)
    assert overlap_scores(label, fixed, (1, 1, 1), 2)["hd95_missing"] == 0
    fixed[fixed == 2] = 0
    assert overlap_scores(label, fixed, (1, 1, 1), 2)["hd95_missing"] == 0
    assert not [warning for warning in recwarn if "hd95_missing" in str(warning.message)]


def test_unexpected_label_is_refused():
    with pytest.raises(ValueError, match="expected labels from 0 to 2, the number of structures to score, got 0 to 3"):
        one_hot_label(torch.tensor([[[[0.0, 3.0]]]]), 2)


def test_a_refused_label_names_its_file():
    label = MetaTensor(torch.full((1, 2, 2, 2), 13.0), meta={"filename_or_obj": "organs.nii.gz"})
    with pytest.raises(ValueError, match=r"organs\.nii\.gz: expected labels from 0 to 2"):
        one_hot_label(label, 2)


def test_a_structure_that_the_moving_scan_does_not_show_is_left_out(recwarn):
    moving = torch.zeros(1, 8, 8, 8)
    moving[0, 2:4, 2:6, 2:6] = 1
    fixed = moving.clone()
    fixed[0, 6] = 2
    scores = overlap_scores(moving, fixed, (1.0, 1.0, 1.0), 2, moving)
    assert (scores["dice"], scores["hd95_mm"], scores["hd95_missing"]) == (1.0, 0.0, 0.0)
    assert math.isnan(scores["dice_2"])
    assert not [warning for warning in recwarn if "hd95_mm" in str(warning.message)]
    assert overlap_scores(moving, fixed, (1.0, 1.0, 1.0), 2, fixed)["hd95_missing"] == 1.0
