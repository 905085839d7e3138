import pytest
import torch
from monai.losses import LocalNormalizedCrossCorrelationLoss

from common.losses.local_correlation import LocalCorrelation, LocalCorrelationLoss

DTYPE = torch.float64


def pair(generator, shape=(2, 1, 10, 12, 9), dtype=DTYPE):
    first, noise = (torch.rand(shape, generator=generator, dtype=dtype) for _ in range(2))
    return 0.6 * first + 0.4 * noise, first


def with_gradients(loss, images):
    images = [image.clone().requires_grad_() for image in images]
    value = loss(*images)
    return value, *torch.autograd.grad(value, images)


def relative_error(found, expected):
    return ((found - expected).norm() / expected.norm()).item()


@pytest.mark.parametrize("unit", [1.0, 30.0])
@pytest.mark.parametrize("window", [3, 5, 9])
@pytest.mark.parametrize("shape", [(2, 1, 10, 12, 9), (1, 1, 14, 11)])
def test_value_and_gradients_are_those_of_monai(shape, window, unit, generator):
    images = [unit * image for image in pair(generator, shape, torch.float32)]
    monai = LocalNormalizedCrossCorrelationLoss(spatial_dims=len(shape) - 2, kernel_size=window)
    found, expected = (with_gradients(loss, images) for loss in (LocalCorrelationLoss(window), monai))
    assert found[0].item() == pytest.approx(expected[0].item(), abs=1e-5)
    for ours, theirs in zip(found[1:], expected[1:], strict=True):
        assert relative_error(ours, theirs) < 1e-5


def test_a_flat_background_has_the_gradient_of_monai(generator):
    warped, fixed = pair(generator, (1, 1, 20, 20, 20))
    warped[:, :, :12], fixed[:, :, :10] = 0, 0
    monai = LocalNormalizedCrossCorrelationLoss(spatial_dims=3, kernel_size=5)
    found, expected = (with_gradients(loss, (warped, fixed)) for loss in (LocalCorrelationLoss(5), monai))
    assert found[0].item() == pytest.approx(expected[0].item())
    torch.testing.assert_close(found[1], expected[1], rtol=1e-6, atol=1e-10)


@pytest.mark.parametrize("shape", [(1, 1, 5, 4, 6), (2, 2, 6, 5)])
def test_the_gradient_is_that_of_finite_differences(shape, generator):
    warped, fixed = (image.requires_grad_() for image in pair(generator, shape))
    assert torch.autograd.gradcheck(LocalCorrelationLoss(3), (warped, fixed))


@pytest.mark.parametrize("padded", [True, False])
def test_the_exact_force_is_the_gradient_of_the_mean_correlation(padded, generator):
    warped, fixed = pair(generator, (1, 1, 6, 7, 5))
    correlation = LocalCorrelation(fixed, 2, padded=padded)
    _, force = correlation.with_gradient(warped)
    for place in [(0, 0, 0), (3, 3, 2), (5, 2, 4)]:
        step = torch.zeros_like(warped)
        step[0, 0][place] = 1e-5
        difference = (correlation(warped + step) - correlation(warped - step)).sum() / 2e-5
        assert force[0, 0][place].item() == pytest.approx(difference.item(), rel=1e-5)


def test_the_short_force_points_the_same_way(generator):
    warped, fixed = pair(generator, (1, 1, 16, 16, 16))
    correlation = LocalCorrelation(fixed, 2)
    (value, exact), (same, short) = (correlation.with_gradient(warped, exact) for exact in (True, False))
    assert torch.equal(value, same)
    assert torch.cosine_similarity(exact.flatten(), short.flatten(), dim=0) > 0.9


def test_correlation_is_one_for_a_linear_map_and_lies_between_zero_and_one(generator):
    warped, fixed = pair(generator)
    torch.testing.assert_close(LocalCorrelation(fixed, 2, 1e-9)(3 - 2 * fixed), torch.ones_like(fixed))
    value = LocalCorrelation(fixed, 2)(warped)
    assert 0 <= value.min() <= value.max() <= 1


def test_half_precision_is_computed_in_float32(generator):
    warped, fixed = pair(generator, dtype=torch.float32)
    assert LocalCorrelationLoss()(warped.half(), fixed.half()).dtype == torch.float32


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match="odd number of voxels, got 4"):
        LocalCorrelationLoss(4)
    with pytest.raises(ValueError, match=r"one shape, got \[1, 1, 4, 4\] and \[1, 1, 4, 5\]"):
        LocalCorrelationLoss()(torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 4, 5))


def test_a_planted_error_is_found(generator, monkeypatch):
    whole = LocalCorrelation.with_gradient
    monkeypatch.setattr(LocalCorrelation, "with_gradient", lambda self, warped, exact=True: whole(self, warped, False))
    with pytest.raises(AssertionError):
        test_the_exact_force_is_the_gradient_of_the_mean_correlation(True, generator)
    with pytest.raises(AssertionError):
        test_value_and_gradients_are_those_of_monai((1, 1, 14, 11), 5, 1.0, generator)
