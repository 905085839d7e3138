import pytest
import torch
import torch.nn.functional as F

from common.methods.cyclical_self_training.correlation import (
    _costs_by_planes,
    _costs_one_by_one,
    correlation,
    displacement_cube,
    smooth_correlation,
)


@pytest.mark.parametrize("squared", [False, True])
def test_cost_equals_the_definition(rough, naive, squared):
    moving = rough.roll(1, 2)
    found = correlation(rough, moving, 2, squared)
    assert torch.allclose(found, naive[0](rough, moving, 2, squared), rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize("squared", [False, True])
@pytest.mark.parametrize("radius", [0, 1, 2])
def test_the_form_for_gpus_equals_that_for_cpus(radius, squared):
    generator = torch.Generator().manual_seed(radius)
    fixed, moving = (torch.randn(2, 3, 5, 6, 7, generator=generator, dtype=torch.float64) for _ in range(2))
    fixed, moving = fixed.requires_grad_(), moving.requires_grad_()
    anchor, padded = (x.permute(0, 2, 3, 4, 1) for x in (fixed, F.pad(moving, [radius] * 6)))
    weights = torch.rand(2, (2 * radius + 1) ** 3, 5, 6, 7, generator=generator, dtype=torch.float64)
    found = []
    for form in (_costs_one_by_one, _costs_by_planes):
        cost_volume = form(anchor, padded, radius, squared)
        found.append([cost_volume, *torch.autograd.grad((weights * cost_volume).sum(), (fixed, moving))])
    for one, other in zip(*found, strict=True):
        assert torch.allclose(one, other, rtol=1e-12, atol=1e-12)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("scripted", [False, True])
def test_a_gpu_gives_what_a_cpu_gives(rough, scripted):
    function = torch.jit.script(correlation) if scripted else correlation
    on_gpu = function(rough.cuda(), rough.flip(3).cuda(), 2)
    assert torch.allclose(on_gpu.cpu(), correlation(rough, rough.flip(3), 2), rtol=1e-5, atol=1e-5)


def test_smoothed_cost_equals_pooling(rough, naive):
    expected = F.avg_pool3d(naive[0](rough, rough.flip(3), 1), 3, 1, 1)
    assert torch.allclose(smooth_correlation(rough, rough.flip(3), 1), expected, rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize("shift", [(2, 0, 0), (0, -1, 0), (0, 0, 2)])
def test_least_cost_is_at_the_shift_of_the_moving_features(rough, shift):
    moving = rough.roll(shift, (2, 3, 4))  # fixed(x) = moving(x + shift)
    best = displacement_cube(2)[correlation(rough, moving, 2).argmin(1)]
    assert (best[0, 3:-3, 3:-3, 3:-3] == torch.tensor(shift)).all()


def test_a_batch_equals_its_members(rough):
    batch = torch.cat([rough, rough.flip(2), rough.roll(1, 4)])
    together = correlation(batch, batch.flip(3), 1)
    apart = [correlation(one[None], one[None].flip(3), 1) for one in batch]
    assert torch.equal(together, torch.cat(apart))


def test_gradients_reach_both_features():
    generator = torch.Generator().manual_seed(0)
    pair = [torch.randn(1, 1, 2, 3, 2, generator=generator, dtype=torch.float64, requires_grad=True) for _ in "fm"]
    assert torch.autograd.gradcheck(lambda f, m: smooth_correlation(f, m, 1), pair)


def test_a_radius_larger_than_the_grid_is_an_error():
    features = torch.zeros(1, 2, 4, 6, 5)
    with pytest.raises(ValueError, match=r"from 0 to 3 cells on a feature grid of \[4, 6, 5\], got 4"):
        correlation(features, features, 4)


def test_features_of_different_shapes_are_an_error():
    with pytest.raises(ValueError, match=r"one shape .* got \[1, 2, 4, 4, 4\] and \[1, 2, 4, 4, 5\]"):
        correlation(torch.zeros(1, 2, 4, 4, 4), torch.zeros(1, 2, 4, 4, 5), 1)
