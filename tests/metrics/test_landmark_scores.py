import math

import pytest
import torch
from monai.data import MetaTensor

from common.metrics.landmarks import ScoreLandmarksd

SPACING = 2.0
SHIFT_MM = torch.tensor([2.0, -4.0, 1.0])


def item(fixed_points, moving_points, ddf=None, origin=(0.0, 0.0, 0.0), **more):
    affine = torch.diag(torch.tensor([SPACING, SPACING, SPACING, 1.0], dtype=torch.float64))
    affine[:3, 3] = torch.as_tensor(origin)
    fixed = MetaTensor(torch.zeros(1, 8, 8, 8), affine=affine)
    ddf = torch.zeros(3, 8, 8, 8) if ddf is None else ddf
    return {"fixed": fixed, "pred": ddf, "fixed_points": fixed_points, "moving_points": moving_points, **more}


def constant_ddf(shift_mm):
    return (torch.as_tensor(shift_mm).float() / SPACING).view(3, 1, 1, 1).expand(3, 8, 8, 8)


def test_field_that_joins_the_landmarks_leaves_no_error(generator):
    points = 12 * torch.rand(5, 3, generator=generator)
    scores = ScoreLandmarksd()(item(points, points + SHIFT_MM, constant_ddf(SHIFT_MM)))["scores"]
    assert scores["initial_tre_mm"] == pytest.approx(21**0.5, abs=1e-5)
    assert scores["tre_mm"] == pytest.approx(0, abs=1e-5)


def test_field_of_the_wrong_direction_doubles_the_error(generator):
    points = 12 * torch.rand(5, 3, generator=generator)
    scores = ScoreLandmarksd()(item(points, points + SHIFT_MM, constant_ddf(-SHIFT_MM)))["scores"]
    assert scores["tre_mm"] == pytest.approx(2 * scores["initial_tre_mm"], abs=1e-5)


def test_alignment_of_the_images_counts_before_and_after():
    alignment = torch.eye(4, dtype=torch.float64)
    alignment[:3, 3] = SHIFT_MM
    points = torch.ones(2, 3)
    scores = ScoreLandmarksd()(item(points, points + SHIFT_MM, alignment=alignment))["scores"]
    assert scores == {"initial_tre_mm": 0.0, "tre_mm": 0.0}


def test_pair_without_landmarks_has_no_score_and_keeps_its_others():
    pair = item(None, None) | {"scores": {"loss": 1.0}}
    del pair["fixed_points"]
    scores = ScoreLandmarksd()(pair)["scores"]
    assert scores.pop("loss") == 1.0
    assert all(math.isnan(value) for value in scores.values())


def test_points_that_do_not_correspond_are_refused():
    with pytest.raises(ValueError, match=r"expected two tensors \(N, 3\), got \(2, 3\) and \(3, 3\)"):
        ScoreLandmarksd()(item(torch.zeros(2, 3), torch.zeros(3, 3)))


@pytest.mark.data
def test_mtre_on_the_landmarks_of_resect(resect_landmarks):
    before, still, moved, expected = [], [], [], []
    for mri, ultrasound in resect_landmarks.values():
        origin = ultrasound.mean(0)
        scores = ScoreLandmarksd()(item(ultrasound, mri, origin=origin))["scores"]
        before.append(scores["initial_tre_mm"])
        still.append(scores["tre_mm"])
        shift = (mri - ultrasound).mean(0)
        moved.append(ScoreLandmarksd()(item(ultrasound, mri, constant_ddf(shift), origin))["scores"]["tre_mm"])
        expected.append((mri - ultrasound - shift).norm(dim=1).mean().item())
    before = torch.tensor(before)
    assert before.mean().item() == pytest.approx(5.41, abs=0.01)
    assert before.std(correction=0).item() == pytest.approx(4.18, abs=0.01)
    assert still == pytest.approx(before.tolist())
    assert moved == pytest.approx(expected, abs=1e-4)
    assert sum(moved) < sum(still)
