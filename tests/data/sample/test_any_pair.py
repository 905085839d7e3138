"""Tests of the generated pairs of any anatomy and contrast."""

import pytest
import torch
import torch.nn.functional as F

from common.data.sample.any_pair import field_of_view, random_ddf, random_pair
from common.fields.ddf import warp
from common.fields.jacobian import jacobian_determinant

SHAPE = (32, 36, 28)
SEEDS = range(6)


def draw(seed, **options):
    return random_pair(SHAPE, torch.Generator().manual_seed(seed), **options)


@pytest.fixture(scope="module")
def pairs():
    return [draw(seed) for seed in SEEDS]


def test_a_pair_has_two_images_two_labels_and_the_field(pairs):
    shapes = {name: list(volume.shape) for name, volume in pairs[0].items()}
    volumes = {name: [1, *SHAPE] for name in ("fixed", "moving", "fixed_label", "moving_label", "valid")}
    assert shapes == {**volumes, "ddf": [3, *SHAPE]}
    assert all(volume.isfinite().all() for pair in pairs for volume in pair.values())


def test_the_seed_decides(pairs):
    again = draw(SEEDS[0])
    assert all(torch.equal(volume, again[name]) for name, volume in pairs[0].items())
    assert not torch.equal(pairs[0]["fixed"], pairs[1]["fixed"])


def test_the_field_brings_the_labels_of_the_moving_image_onto_those_of_the_fixed_one(pairs):
    for pair in pairs:
        label, valid = pair["moving_label"], pair["valid"] > 0
        spread = F.max_pool3d(label, 3, 1, 1) + F.max_pool3d(-label, 3, 1, 1)
        warped = warp(torch.stack([label[0], spread[0]])[None], pair["ddf"][None], mode="nearest")[0]
        inner = valid & (warped[1:] == 0)  # away from the borders of the moving label
        assert inner.any()
        assert (warped[:1] == pair["fixed_label"])[inner].float().mean() > 0.99


def test_another_field_does_not(pairs):
    agreement = {1.0: 0.0, -1.0: 0.0}
    for pair in pairs:
        for factor in agreement:
            warped = warp(pair["moving_label"][None], factor * pair["ddf"][None], mode="nearest")[0]
            agreement[factor] += (warped == pair["fixed_label"])[pair["valid"] > 0].float().mean().item()
    assert agreement[1.0] > agreement[-1.0] + 0.1 * len(pairs)


def test_valid_places_lie_in_both_images(pairs):
    for pair in pairs:
        inside = warp(torch.ones(1, 1, *SHAPE), pair["ddf"][None], padding_mode="zeros")[0] > 0.99
        assert (inside | (pair["valid"] == 0)).all()


def test_maps_do_not_fold_and_grow_with_the_displacement():
    lengths = []
    for displacement in (0.3, 1.0):
        fields = [random_ddf(SHAPE, torch.Generator().manual_seed(seed), displacement) for seed in SEEDS]
        assert min(jacobian_determinant(ddf).min() for ddf in fields) > 0.1
        lengths.append(sum(ddf.norm(dim=1).mean() for ddf in fields))
    assert lengths[0] < lengths[1]


def test_some_images_end_early_at_one_side():
    views = [field_of_view(SHAPE, torch.Generator().manual_seed(seed)) for seed in range(40)]
    cut = [view for view in views if view.min() == 0]
    assert 0 < len(cut) < 20
    for view in cut:
        assert 0.65 < view.mean() < 0.96
        assert min(view.movedim(axis, 0).flatten(1).std(1).max() for axis in range(3)) == 0  # whole planes


def test_a_small_shape_is_refused():
    with pytest.raises(ValueError, match=r"shape: expected three sizes of at least 16 voxels, got \[8, 32, 32\]"):
        random_pair((8, 32, 32))
