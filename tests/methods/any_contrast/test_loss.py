"""Tests of what the features learn."""

import pytest
import torch

from common.fields.ddf import warp
from common.fields.sampling import identity_grid
from common.methods.any_contrast.loss import AnyContrastLoss, mean_length
from common.methods.any_contrast.network import AnyContrastFeatures
from common.methods.any_contrast.pairs import GeneratedPairs
from common.methods.cyclical_self_training.network import ConvexRegistration

SHAPE = (20, 18, 20)


class Places(torch.nn.Module):
    """Features that name the place from which a voxel comes: image channel k of a pair holds them already."""

    stride, offset, fine_stride, fine_offset = 2, 0.0, 1, 0.0

    def __init__(self, ddf):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        moving = identity_grid(list(SHAPE))[None] / 4
        self.features = torch.cat([warp(moving, ddf), moving])

    def forward(self, image):
        return self.features, self.features[..., ::2, ::2, ::2]


def sample(ddf):
    image, valid = torch.rand(1, 2, *SHAPE), torch.zeros(1, 1, *SHAPE)
    valid[..., 5:-5, 5:-5, 5:-5] = 1
    return {"image": image, "ddf": ddf, "valid": valid, "draw": torch.tensor([[1, 2]])}


@pytest.fixture
def ddf():
    """A shift by (1, −1, 0.5) voxels."""
    return torch.tensor([1.0, -1.0, 0.5]).view(1, 3, 1, 1, 1).expand(1, 3, *SHAPE).contiguous()


def terms(features_ddf, ddf, **options):
    network = ConvexRegistration(Places(features_ddf), 2, feature_scale=10.0, zero_border=False)
    loss = AnyContrastLoss(**{"solver_weight": 0.5} | options)
    return {name: value.item() for name, value in loss(network, sample(ddf)).items()}


def test_features_that_name_the_place_have_a_small_loss(ddf):
    right, wrong = (terms(field, ddf, shift_voxels=0.3, max_steps=0) for field in (ddf, -ddf))
    assert right["motion"] < 0.2
    assert all(wrong[name] > 2 * right[name] for name in ("full", "half", "motion", "solver"))


def test_the_loss_is_the_weighted_sum_of_its_terms(ddf):
    found = terms(ddf, ddf, contrast_weight=2.0, motion_weight=3.0, solver_weight=5.0)
    expected = 2 * found["full"] + 2 * found["half"] + 3 * found["motion"] + 5 * found["solver"]
    assert found["loss"] == pytest.approx(expected, rel=1e-5)


def test_a_term_without_weight_is_not_computed(ddf):
    assert set(terms(ddf, ddf, contrast_weight=0.0)) == {"loss", "motion", "solver"}


def test_the_draw_decides(ddf):
    network, batch = ConvexRegistration(Places(ddf), 2), sample(ddf)
    loss = AnyContrastLoss()
    assert loss(network, batch)["loss"] == loss(network, batch)["loss"]
    assert loss(network, batch)["loss"] != loss(network, batch | {"draw": torch.tensor([[1, 3]])})["loss"]


def test_a_batch_has_the_mean_of_its_pairs():
    torch.manual_seed(0)
    network = ConvexRegistration(AnyContrastFeatures((4, 8)), 1).eval()
    pairs = GeneratedPairs(range(2), (16, 16, 16))
    batch = {name: torch.stack([pairs[0][name], pairs[1][name]]) for name in pairs[0]}
    one, other, both = (
        AnyContrastLoss()(network, {name: volume[part] for name, volume in batch.items()})
        for part in (slice(1), slice(1, 2), slice(2))
    )
    for name, value in both.items():
        torch.testing.assert_close(value, (one[name] + other[name]) / 2)


def test_a_pair_without_a_valid_place_has_a_finite_loss_and_gradient():
    network = ConvexRegistration(AnyContrastFeatures((4, 8)), 1)
    pair = {name: volume[None] for name, volume in GeneratedPairs(range(1), (16, 16, 16))[0].items()}
    AnyContrastLoss()(network, pair | {"valid": torch.zeros(1, 1, 16, 16, 16)})["loss"].backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in network.parameters())


def test_lengths_outside_of_the_mask_do_not_count():
    vectors = torch.ones(1, 3, 2, 2, 2)
    vectors[..., 0, :, :] = 100
    inside = torch.zeros(1, 1, 2, 2, 2, dtype=torch.bool)
    inside[..., 1, :, :] = True
    assert mean_length(vectors, inside).item() == pytest.approx(3**0.5, rel=1e-5)


@pytest.mark.parametrize("weight", [-1.0, 0.0])
def test_weights_must_be_positive(weight):
    with pytest.raises(ValueError, match="loss: expected weights ≥ 0 and one above 0"):
        AnyContrastLoss(contrast_weight=weight, motion_weight=0.0, solver_weight=0.0)
