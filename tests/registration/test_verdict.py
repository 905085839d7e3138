"""Good, doubtful or failed."""

import math

import pytest
import torch
from monai.data import MetaTensor

from common.metrics.regularity import determinant_of_field_mm
from common.registration.contrast import contrast_of
from common.registration.evidence import evidence
from common.registration.verdict import GRADES, Bound, Verdict, summary, verdict_of
from common.world.maps import WorldMap

NOTHING_WRONG = {"folding_fraction": 0.0, "mind_initial": 0.2, "mind_after": 0.1, "coverage": 1.0}


def test_nothing_wrong_is_good_without_reasons():
    assert verdict_of(NOTHING_WRONG) == Verdict("good", [], NOTHING_WRONG)


@pytest.mark.parametrize(("share", "grade"), [(0.002, "good"), (0.005, "doubtful"), (0.46, "failed")])
def test_the_share_of_folded_voxels_decides(share, grade):
    assert verdict_of(NOTHING_WRONG | {"folding_fraction": share}).grade == grade


def test_the_worst_measure_decides_and_its_reason_comes_first():
    verdict = verdict_of(NOTHING_WRONG | {"coverage": 0.4, "folding_fraction": 0.3}, doubts=["of another kind"])
    assert verdict.grade == "failed"
    assert verdict.reasons[0] == "folds: expected a share of at most 0.01 of the voxels, got 0.3"
    assert set(verdict.reasons[1:]) >= {"of another kind"}


@pytest.mark.parametrize(
    ("overlap", "landmarks", "grade"),
    [
        ({"before": {"dice": 0.77}, "after": {"dice": 0.03}}, None, "failed"),
        ({"before": {"dice": 0.5}, "after": {"dice": 0.8}}, None, "good"),
        (None, {"before": {"mean_mm": 2.0}, "after": {"mean_mm": 3.0}}, "failed"),
        (None, {"before": {"mean_mm": 3.0}, "after": {"mean_mm": 2.0}}, "good"),
        ({"before": {"dice": math.nan}, "after": {"dice": math.nan}}, None, "good"),
    ],
)
def test_worse_dice_or_landmarks_than_before_are_failed(overlap, landmarks, grade):
    assert verdict_of(NOTHING_WRONG, overlap, landmarks).grade == grade


def test_a_measure_that_is_missing_or_no_number_breaks_no_bound():
    bound = Bound(lambda m: m["a"], 1.0, 2.0, "{value} {bound}")
    assert bound.broken({}) is None
    assert bound.broken({"a": math.nan}) is None
    assert bound.broken({"a": 1.5}) == ("doubtful", "1.5 1")
    assert bound.broken({"a": 2.5}) == ("failed", "2.5 2")


def test_facts_are_json_without_numbers_that_are_not_finite():
    assert Verdict("good", [], {"a": 1.0, "b": math.nan}).facts == {
        "grade": "good",
        "reasons": [],
        "measures": {"a": 1.0},
    }


def test_the_summary_names_the_worst_first():
    verdicts = [("p1", "doubtful", ["x"]), ("p2", "good", []), ("p3", "failed", ["y", "z"])]
    lines = summary([(name, {"grade": grade, "reasons": reasons}) for name, grade, reasons in verdicts]).splitlines()
    assert lines == ["verdicts: 1 good, 1 doubtful, 1 failed", "failed: p3 (y; z)", "doubtful: p1 (x)"]
    assert GRADES == ("good", "doubtful", "failed")


def blobs(shift=0):
    """Bright blobs on a grid of 2 mm, shifted by whole voxels."""
    x = torch.linspace(-3, 3, 24)
    volume = sum(
        torch.exp(-2 * ((x[:, None, None] - a) ** 2 + (x[:, None] - b) ** 2 + (x - a * b) ** 2))
        for a in (-1.2, 0.3, 1.4)
        for b in (-1.0, 0.8)
    )
    return MetaTensor(volume.roll(shift, 0)[None], affine=torch.diag(torch.tensor([2.0, 2.0, 2.0, 1.0])))


def measured(shift, displacement_mm):
    field = torch.zeros(3, 24, 24, 24)
    field[0] = displacement_mm
    fixed = blobs()
    world_map = WorldMap(fixed, blobs(shift), MetaTensor(field, affine=fixed.affine))
    return evidence(world_map, determinant_of_field_mm(field, world_map.grid))


def test_a_right_field_leaves_the_search_nothing_and_a_wrong_one_all_of_its_error():
    right, wrong = measured(2, 4.0), measured(2, -2.0)
    assert right["left_mm"] < 0.5
    assert wrong["left_mm"] > 3.0
    assert verdict_of(right).grade == "good"
    assert verdict_of(wrong).grade == "failed"


def test_coverage_and_displacement_are_those_of_the_field():
    measures = measured(0, 24.0)
    assert measures["dense_mean_mm"] == pytest.approx(24.0)
    assert measures["coverage"] < 0.8
    assert measured(0, 0.0)["coverage"] == 1.0


def test_a_mirrored_image_fits_its_mirror_image_best():
    fixed = blobs()
    lopsided = MetaTensor(fixed.as_tensor() * torch.linspace(0.3, 1, 24).view(1, 24, 1, 1), affine=fixed.affine)
    mirrored = MetaTensor(lopsided.as_tensor().flip(1), affine=fixed.affine)
    field = MetaTensor(torch.zeros(3, 24, 24, 24), affine=fixed.affine)
    measures = evidence(WorldMap(lopsided, mirrored, field), torch.ones(1, 24, 24, 24))
    assert measures["mind_mirrored"] == pytest.approx(0.0, abs=1e-6)
    assert measures["mind_aligned"] > 0.01


@pytest.mark.parametrize("shape", [(24, 24, 3), (24, 24, 1), (5, 4, 6)])
def test_slabs_and_tiny_images_are_measured_too(shape):
    fixed = MetaTensor(torch.rand(1, *shape, generator=torch.Generator().manual_seed(0)), affine=torch.eye(4))
    field = MetaTensor(torch.zeros(3, *shape), affine=torch.eye(4))
    measures = evidence(WorldMap(fixed, fixed, field), torch.ones(1, *shape))
    assert measures["mind_after"] == 0.0
    assert verdict_of(measures).grade == "good"
    assert contrast_of(fixed, fixed).similarity in ("lncc", "mind")
