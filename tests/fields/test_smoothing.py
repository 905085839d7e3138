import math
from functools import partial

import pytest
import torch
from torch.nn import functional

from common.fields import smoothing
from common.fields.smoothing import box_counts, box_mean, box_sum, gaussian_smooth

SHAPES = [(2, 3, 9, 14), (2, 1, 8, 5, 11), (1, 2, 1, 2, 3)]
DTYPE = torch.float64


def noise(shape, generator):
    return torch.rand(shape, generator=generator, dtype=DTYPE)


def slow_box_sum(volume, radius):
    """A convolution with ones."""
    axes = volume.dim() - 2
    flat = volume.flatten(0, 1)[:, None]
    kernel = torch.ones([1, 1, *[2 * radius + 1] * axes], dtype=volume.dtype)
    convolve = functional.conv2d if axes == 2 else functional.conv3d
    return convolve(flat, kernel, padding=radius).view(volume.shape)


def slow_gaussian(volume, sigma):
    """Along each axis a matrix of normalized weights, up to three standard deviations."""
    for axis in range(2, volume.dim()):
        index = torch.arange(volume.size(axis), dtype=DTYPE)
        distance = (index[:, None] - index).abs()
        weights = torch.exp(-0.5 * (distance / sigma) ** 2) * (distance <= max(1, math.floor(3 * sigma)))
        weights = weights / weights.sum(dim=1, keepdim=True)
        volume = (weights @ volume.movedim(axis, -2)).movedim(-2, axis)
    return volume


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("radius", [0, 1, 2, 3, 4, 7])
def test_a_box_is_a_convolution_with_ones(shape, radius, generator):
    volume = noise(shape, generator)
    torch.testing.assert_close(box_sum(volume, radius), slow_box_sum(volume, radius))
    counts = slow_box_sum(torch.ones_like(volume), radius)
    torch.testing.assert_close(box_mean(volume, radius), slow_box_sum(volume, radius) / counts)
    torch.testing.assert_close(box_counts(shape[2:], radius, volume).expand(shape), counts)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("sigma", [0.2, 0.5, 1.3, 2.5])
def test_a_gaussian_is_a_product_with_matrices_of_weights(shape, sigma, generator):
    volume = noise(shape, generator)
    torch.testing.assert_close(gaussian_smooth(volume, sigma), slow_gaussian(volume, sigma))


def test_no_smoothing_changes_nothing_and_inputs_stay_what_they_are(generator):
    volume = noise((1, 2, 6, 7, 8), generator)
    before = volume.clone()
    assert torch.equal(gaussian_smooth(volume, 0), before)
    for smooth in (partial(box_sum, radius=2), partial(box_mean, radius=0), partial(gaussian_smooth, sigma=1.0)):
        smooth(volume)
        assert torch.equal(volume, before)


def test_a_box_is_its_own_adjoint(generator):
    x, y = noise((1, 1, 7, 6, 9), generator), noise((1, 1, 7, 6, 9), generator)
    torch.testing.assert_close((box_sum(x, 2) * y).sum(), (x * box_sum(y, 2)).sum())


def test_a_gaussian_of_a_field_has_the_variance_asked_for():
    point = torch.zeros(1, 1, 41, 41, dtype=DTYPE)
    point[..., 20, 20] = 1
    profile = gaussian_smooth(point, 2.0)[0, 0].sum(dim=1)
    variance = (profile * (torch.arange(41) - 20) ** 2).sum()
    assert variance.item() == pytest.approx(4.0, rel=0.04)  # what lies beyond three standard deviations is cut off


def wide_window(window_sum, volume, axis, radius):
    return window_sum(volume, axis, radius + 1)


def shifted_window(window_sum, volume, axis, radius):
    return window_sum(volume, axis, radius).roll(1, axis)


def one_sided_sum(weighted_sum, volume, axis, weights):
    return weighted_sum(volume, axis, weights) + volume.roll(1, axis)


@pytest.mark.parametrize(
    ("name", "planted", "test", "number"),
    [
        ("_window_sum", wide_window, test_a_box_is_a_convolution_with_ones, 2),
        ("_window_sum", shifted_window, test_a_box_is_a_convolution_with_ones, 2),
        ("_weighted_sum", one_sided_sum, test_a_gaussian_is_a_product_with_matrices_of_weights, 1.3),
    ],
)
def test_a_planted_error_is_found(name, planted, test, number, generator, monkeypatch):
    monkeypatch.setattr(smoothing, name, partial(planted, getattr(smoothing, name)))
    with pytest.raises(AssertionError):
        test(SHAPES[1], number, generator)


@pytest.mark.parametrize("shape", [(1, 2, 90, 80, 70), (1, 1, 700, 650)])
def test_sums_of_a_large_volume_in_slabs_are_those_of_all_at_once(shape):
    volume = noise(shape, torch.Generator().manual_seed(0))
    torch.testing.assert_close(box_sum(volume, 3), slow_box_sum(volume, 3))


@pytest.mark.parametrize("shape", [(1, 1, 90, 80, 70), (1, 2, 700, 650)])
def test_a_gaussian_of_a_large_volume_in_slabs_is_that_of_all_at_once(shape, monkeypatch):
    volume = noise(shape, torch.Generator().manual_seed(0))
    in_slabs = gaussian_smooth(volume, 2.2)
    monkeypatch.setattr(smoothing, "SLAB_VOXELS", volume.numel())
    torch.testing.assert_close(in_slabs, gaussian_smooth(volume, 2.2))
