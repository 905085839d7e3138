import math

import torch

from common.methods.cyclical_self_training_points.scores import ScoreKeypointsd


def item(displacements=0.0, **changes):
    points = torch.rand(60, 3, generator=torch.Generator().manual_seed(0))
    entries = {"fixed_points": points, "moving_points": points + 0.1, "mm_per_unit": torch.tensor([10.0, 20.0, 20.0])}
    entries |= {"fixed_landmarks": points[:9], "moving_landmarks": points[:9] + 0.1}
    return {**entries, "displacements": torch.full((60, 3), displacements), **changes}


def score(**changes):
    return ScoreKeypointsd(grid_mm=changes.pop("grid_mm", 0))(item(**changes))["scores"]


def test_initial_error_is_in_true_millimeters():
    assert math.isclose(score()["initial_tre_mm"], 3.0, rel_tol=1e-5)  # ‖(1, 2, 2)‖ mm


def test_exact_displacements_leave_no_error():
    scores = score(displacements=0.1)
    assert scores["tre_mm"] < 1e-4
    assert scores["residual_mm"] < 1e-2


def test_pair_without_landmarks_gets_a_residual_only():
    entries = item()
    for key in ("fixed_landmarks", "moving_landmarks"):
        del entries[key]
    scores = ScoreKeypointsd(grid_mm=0)(entries)["scores"]
    assert math.isnan(scores["tre_mm"])
    assert scores["residual_mm"] > 0


def test_translation_is_regular():
    scores = score(displacements=0.1, grid_mm=2.0)
    assert scores["folding_fraction"] == 0
    assert scores["sdlogj"] < 1e-4


def test_uniform_scale_counts_once():
    scores = score(mm_per_unit=torch.full((3,), 10.0))
    assert math.isclose(scores["initial_tre_mm"], math.sqrt(3), rel_tol=1e-5)
