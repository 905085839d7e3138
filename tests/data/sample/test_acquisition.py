"""Tests of what a scanner does to a generated image."""

import torch

from common.data.sample.acquisition import acquired, thick_slices
from common.data.sample.random_field import random_field


def test_thick_slices_are_constant_in_the_middle_and_keep_the_mean():
    image = torch.rand(1, 1, 4, 16, 4, generator=torch.Generator().manual_seed(0))
    sliced = thick_slices(image, 3, 4.0)
    assert sliced.shape == image.shape
    torch.testing.assert_close(sliced[0, 0, :, :2].mean(1), image[0, 0, :, :4].mean(1))
    assert sliced.diff(n=2, dim=3)[..., 6:8, :].abs().max() < 1e-5  # linear between the centers 5.5 and 9.5


def test_the_same_generator_measures_the_same_and_the_anatomy_stays_visible():
    image = random_field((24, 24, 24), 8.0, torch.Generator().manual_seed(0))
    first, again, other = (acquired(image.clone(), torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.corrcoef(torch.stack([image.flatten(), first.flatten()]))[0, 1] > 0.7


def test_structures_of_a_random_field_are_as_wide_as_its_lattice():
    fields = [random_field((48, 48, 48), spacing, torch.Generator().manual_seed(0)) for spacing in (2.0, 8.0)]
    slopes = [field.diff(dim=0).abs().mean().item() for field in fields]
    assert slopes[0] > 2.5 * slopes[1]
