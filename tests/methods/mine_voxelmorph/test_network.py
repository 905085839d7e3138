"""VoxelMorph-diff: its size, its posterior, and fields that do not fold."""

import pytest
import torch

from common.fields.jacobian import jacobian_determinant
from common.methods.mine_voxelmorph.network import VoxelMorphDiff, sample_velocity


@pytest.fixture
def image(generator):
    return torch.rand(1, 2, 16, 32, 16, generator=generator)


def test_it_has_the_weights_of_the_original():
    assert sum(parameter.numel() for parameter in VoxelMorphDiff().parameters()) == 266_374


def test_posterior_lies_on_half_the_grid_and_starts_sure_of_no_motion(image):
    mean, log_variance = VoxelMorphDiff().posterior(image)
    assert mean.shape == log_variance.shape == (1, 3, 8, 16, 8)
    assert mean.abs().max() < 1e-3
    assert torch.allclose(log_variance, torch.tensor(-10.0), atol=1e-3)


def test_field_is_the_integral_of_the_mean(image):
    network = VoxelMorphDiff()
    assert torch.equal(network(image), network.displacement(network.posterior(image)[0]))


def test_constant_velocity_moves_twice_as_many_voxels_of_the_full_grid():
    ddf = VoxelMorphDiff().displacement(torch.ones(1, 3, 8, 8, 8))
    assert torch.allclose(ddf, torch.tensor(15 / 7))  # 16 voxels between the outermost centers of 8


def test_rough_velocity_does_not_fold(generator):
    velocity = torch.nn.functional.interpolate(3 * torch.randn(1, 3, 4, 4, 4, generator=generator), scale_factor=4)
    velocity = torch.nn.functional.avg_pool3d(velocity, 5, 1, 2)
    assert jacobian_determinant(VoxelMorphDiff().displacement(velocity)).min() > 0


def test_scripted_network_has_the_same_posterior(image):
    network = VoxelMorphDiff()
    torch.nn.init.normal_(network.mean.weight, std=0.1)
    torch.nn.init.normal_(network.log_variance.weight, std=0.1)
    scripted, eager = torch.jit.script(network).posterior(image), network.posterior(image)
    assert eager[0].std() > 0.01
    assert eager[1].std() > 0.01
    for one, other in zip(scripted, eager, strict=True):
        torch.testing.assert_close(one, other)


def test_samples_have_the_moments_of_the_posterior(generator):
    mean, log_variance = torch.full((1, 3, 32, 32, 32), 2.0), torch.full((1, 3, 32, 32, 32), -2.0)
    drawn = sample_velocity(mean, log_variance, [generator])
    assert drawn.mean().item() == pytest.approx(2.0, abs=0.01)
    assert drawn.var().log().item() == pytest.approx(-2.0, abs=0.02)


def test_size_that_is_no_multiple_of_16_is_refused():
    with pytest.raises(ValueError, match=r"expected multiples of 16 voxels, got \[16, 24, 16\]"):
        VoxelMorphDiff()(torch.rand(1, 2, 16, 24, 16))
