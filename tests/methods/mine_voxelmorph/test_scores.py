"""Endpoint errors and Dice with known answers; structures below 100 voxels are left out."""

import math

import nibabel
import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from common.methods.mine_voxelmorph.scores import (
    ScoreAlignmentd,
    num_folded_voxels,
    renumbered,
    scored_structures,
    structures_of,
)

AFFINE = torch.diag(torch.tensor([2.0, 2.0, 2.0, 1.0]))


def item(shift=0.0):
    label = torch.zeros(1, 24, 24, 24)
    label[:, 4:12, 4:12, 4:12] = 7  # 512 voxels
    label[:, 16:20, 16:20, 16:20] = 9  # 64 voxels: too small
    moving = label.roll(2, dims=1)
    true_ddf = torch.zeros(3, 24, 24, 24)
    true_ddf[0] = 2.0
    pred = torch.zeros_like(true_ddf)
    pred[0] = shift
    volumes = {"fixed": label / 9, "moving": moving / 9, "fixed_label": label, "moving_label": moving}
    brain = torch.ones(1, 24, 24, 24, dtype=torch.bool)
    return {key: MetaTensor(x, affine=AFFINE) for key, x in volumes.items()} | {
        "true_ddf": true_ddf,
        "brain": brain,
        "pred": pred,
    }


def test_true_field_scores_perfectly():
    scores = ScoreAlignmentd()(item(2.0))["scores"]
    assert scores["error_mm"] == 0
    assert scores["dice"] == 1
    assert scores["num_folded"] == 0


def test_zero_field_has_the_initial_scores():
    scores = ScoreAlignmentd()(item())["scores"]
    assert scores["error_mm"] == scores["initial_error_mm"] == scores["error_p95_mm"] == 4.0  # 2 voxels of 2 mm
    assert scores["dice"] == scores["initial_dice"] == 0.75  # 6 of 8 planes overlap


def test_unknown_scores_are_nan():
    bare = {key: value for key, value in item().items() if "label" not in key and key != "true_ddf"}
    scores = ScoreAlignmentd()(bare)["scores"]
    assert math.isnan(scores["dice"])
    assert math.isnan(scores["error_mm"])


def test_small_structures_are_not_scored():
    scores = ScoreAlignmentd()(item(2.0))["scores"]
    assert "dice_7" in scores
    assert "dice_9" not in scores
    assert "dice_9" in ScoreAlignmentd(min_voxels=64)(item(2.0))["scores"]


def test_a_structure_must_be_large_enough_in_every_map():
    large, small = torch.ones(200), torch.ones(99)
    assert scored_structures([large, large]) == [1]
    assert scored_structures([large, small]) == []


def test_structures_of_a_data_set_are_large_in_every_subject(tmp_path):
    both, one = torch.zeros(2, 1, 8, 8, 8)
    both[0, :4], both[0, 4:, :4] = 17, 53
    one[0, :4] = 17
    path = str(tmp_path / "seg.nii.gz")
    nibabel.save(nibabel.Nifti1Image(one[0].numpy().astype("uint8"), np.eye(4)), path)
    assert structures_of([{"label": both}, {"T1": "no label"}]) == [17, 53]
    assert structures_of([{"label": both}, {"label": path}]) == [17]
    assert structures_of([{"T1": "no label"}]) == []


def test_a_reading_of_many_label_maps_is_announced(caplog):
    caplog.set_level("INFO")
    structures_of([{"label": torch.ones(1, 5, 5, 5)}] * 3)
    structures_of([{"T1": "no label"}])
    (record,) = caplog.records
    assert record.getMessage().startswith("structures: reading 3 label maps; --structures")


def test_given_structures_are_scored_whatever_the_pair_holds():
    scores = ScoreAlignmentd(structures=[9])(item(2.0))["scores"]
    assert "dice_9" in scores
    assert "dice_7" not in scores


def test_renumbering_forgets_other_structures():
    assert renumbered(torch.tensor([0, 3, 255, 4]), [3, 255]).tolist() == [0, 1, 2, 0]


def test_a_planted_fold_is_counted():
    ddf = torch.zeros(3, 8, 8, 8)
    assert num_folded_voxels(ddf) == 0
    ddf[0, 4, 4, 4] = -3.0  # reverses the order of voxels 3 and 5 about it
    assert num_folded_voxels(ddf) > 0


def test_a_similarity_is_evaluated_the_same_way_twice():
    def noise(warped, fixed, generators):
        return torch.rand((), generator=generators[0])

    score = ScoreAlignmentd(noise)
    assert score(item())["scores"]["image_loss"] == pytest.approx(score(item())["scores"]["image_loss"])
