"""Tests of the local contrast."""

import math
from itertools import product

import pytest
import torch

from common.methods.any_contrast.contrastive import WIDTH, local_contrast, offset_cube


def slow_contrast(features, places, partners, shifts, temperature, radius):
    """The definition, with integer positions only."""
    total = 0.0
    for place, partner, shift in zip(places.tolist(), partners.tolist(), shifts.tolist(), strict=True):
        weights, likelihoods = [], []
        for offset in product(range(-radius, radius + 1), repeat=3):
            candidate = [int(p + s + o) for p, s, o in zip(partner, shift, offset, strict=True)]
            difference = features[0][(slice(None), *place)] - features[1][(slice(None), *candidate)]
            likelihoods.append(math.exp(-difference.square().sum().item() / temperature))
            weights.append(math.exp(-sum((s + o) ** 2 for s, o in zip(shift, offset, strict=True)) / (2 * WIDTH**2)))
        for weight, likelihood in zip(weights, likelihoods, strict=True):
            share = weight / sum(weights)
            total += share * (math.log(share) - math.log(likelihood / sum(likelihoods)))
    return total / len(places)


def test_the_offsets_are_all_of_a_cube():
    assert sorted(map(tuple, offset_cube(1).tolist())) == sorted(product((-1.0, 0.0, 1.0), repeat=3))


@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_it_is_its_definition(shift):
    features = torch.rand(2, 3, 9, 9, 9, generator=torch.Generator().manual_seed(0))
    places, partners = torch.tensor([[4, 4, 4], [3, 5, 4]]), torch.tensor([[4.0, 3.0, 4.0], [4.0, 5.0, 3.0]])
    shifts = torch.full((2, 3), shift)
    found = local_contrast(features, places, partners, shifts, 0.5, radius=1)
    assert found.item() == pytest.approx(slow_contrast(features, places, partners, shifts, 0.5, 1), rel=1e-4)


def test_features_that_grow_apart_with_distance_match_the_gaussian():
    """‖f(x) − f(y)‖² / τ = ‖x − y‖² / 2σ² makes both distributions equal."""
    axes = torch.meshgrid(*[torch.arange(9.0)] * 3, indexing="ij")
    features = torch.stack(axes)[None].expand(2, -1, -1, -1, -1)
    places = torch.tensor([[4, 4, 4], [3, 4, 5]])
    shifts = torch.tensor([[0.2, -0.4, 0.1], [0.0, 0.5, -0.5]])
    assert local_contrast(features, places, places, shifts, 2 * WIDTH**2).item() == pytest.approx(0.0, abs=1e-5)
    assert local_contrast(features, places, places + 1.0, shifts, 2 * WIDTH**2).item() > 1.0


def test_the_gradient_reaches_both_images():
    features = torch.rand(2, 3, 7, 7, 7, requires_grad=True)
    places = torch.tensor([[3, 3, 3]])
    local_contrast(features, places, places, torch.full((1, 3), 0.3), 0.1).backward()
    assert (features.grad.flatten(1).abs().sum(1) > 0).all()
