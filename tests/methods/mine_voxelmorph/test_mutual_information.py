"""The bound on Gaussians, whose mutual information is −½ log(1 − ρ²), and the two ways to shuffle."""

import math

import pytest
import torch

from common.methods.mine_voxelmorph.mutual_information import NeuralMutualInformation, donsker_varadhan, shuffled_voxels
from common.methods.mine_voxelmorph.statistics_network import StatisticsNetwork


def gaussian_pair(rho, count, generator):
    first, noise = torch.randn(2, 1, count, generator=generator)
    return first, rho * first + math.sqrt(1 - rho**2) * noise


def information(rho):
    return -0.5 * math.log(1 - rho**2)


def log_ratio(x, y, rho):
    """log p(x, y) / (p(x) p(y)) of two standard normal variables."""
    return information(rho) - (rho**2 * (x.square() + y.square()) - 2 * rho * x * y) / (2 * (1 - rho**2))


def bound(network, x, y, generator):
    moved = y[:, torch.randperm(y.shape[1], generator=generator)]
    return donsker_varadhan(network(x, y), network(x, moved)).mean()


def trained_bound(rho, change=lambda y: y, steps=400):
    """Bound of a trained network of 121 weights on samples that it has not seen."""
    torch.manual_seed(0)
    network, generator = StatisticsNetwork(), torch.Generator().manual_seed(1)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    for _ in range(steps):
        x, y = gaussian_pair(rho, 1024, generator)
        optimizer.zero_grad()
        (-bound(network, x, change(y), generator)).backward()
        optimizer.step()
    with torch.no_grad():
        x, y = gaussian_pair(rho, 200_000, generator)
        return bound(network, x, change(y), generator).item()


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9])
def test_optimal_statistic_gives_the_mutual_information(rho):
    generator = torch.Generator().manual_seed(0)
    x, y = gaussian_pair(rho, 10**6, generator)
    value = bound(lambda a, b: log_ratio(a, b, rho), x, y, generator)
    assert abs(value - information(rho)) < 0.01


@pytest.mark.parametrize("rho", [0.5, 0.9])
def test_trained_network_reaches_nine_tenths_on_unseen_samples(rho):
    assert 0.9 * information(rho) < trained_bound(rho) < information(rho) + 0.01


def test_independent_images_share_nothing():
    assert abs(trained_bound(0.0, steps=200)) < 0.005


def test_monotone_change_of_intensities_keeps_the_value():
    assert abs(trained_bound(0.5, torch.sigmoid) - information(0.5)) < 0.1 * information(0.5)


def test_worse_statistic_gives_a_lower_bound(generator):
    x, y = gaussian_pair(0.9, 10**5, generator)
    assert bound(lambda a, b: 0.5 * log_ratio(a, b, 0.9), x, y, generator) < information(0.9) - 0.05


def test_large_statistics_do_not_overflow():
    assert donsker_varadhan(torch.full((1, 3), 1e4), torch.full((1, 3), 1e4)).item() == 0.0


def test_global_shuffle_is_a_permutation(generator):
    assert torch.equal(shuffled_voxels((5, 6, 7), "global", 8, generator).sort().values, torch.arange(210))


def test_local_shuffle_stays_within_the_cube_and_fills_it(generator):
    shape = (40, 41, 42)
    own = torch.stack(torch.meshgrid(*map(torch.arange, shape), indexing="ij")).flatten(1)
    shift = torch.stack(torch.unravel_index(shuffled_voxels(shape, "local", 8, generator), shape)) - own
    assert shift.amin(1).tolist() == [-8, -8, -8]
    assert shift.amax(1).tolist() == [8, 8, 8]
    inner = shift[:, ((own >= 8) & (own < 32)).all(0)].float()
    assert torch.allclose(inner.var(dim=1), torch.full((3,), (17**2 - 1) / 12), rtol=0.1)  # uniform on 17 places


def test_gradient_reaches_image_and_statistics_network(generator):
    loss = NeuralMutualInformation(StatisticsNetwork())
    warped = torch.rand(1, 1, 6, 6, 6, generator=generator, requires_grad=True)
    loss(warped, torch.rand(1, 1, 6, 6, 6, generator=generator)).backward()
    assert warped.grad.abs().sum() > 0
    assert all(parameter.grad.abs().sum() > 0 for parameter in loss.statistics_network.features.parameters())


def test_same_generators_give_the_same_value(generator):
    loss = NeuralMutualInformation(StatisticsNetwork())
    images = [torch.rand(2, 1, 6, 6, 6, generator=generator) for _ in range(2)]
    values = [loss(*images, [torch.Generator().manual_seed(seed) for seed in (1, 2)]) for _ in range(2)]
    assert values[0] == values[1] != loss(*images)


@pytest.mark.parametrize(("shuffle", "radius"), [("lokal", 8), ("local", -1)])
def test_wrong_shuffle_is_refused(shuffle, radius):
    with pytest.raises(ValueError, match="expected a shuffle of global, local and a radius ≥ 0"):
        NeuralMutualInformation(StatisticsNetwork(), shuffle, radius)


def test_images_of_different_shape_are_refused():
    with pytest.raises(ValueError, match=r"expected two images \(B, 1, \*spatial\)"):
        NeuralMutualInformation(StatisticsNetwork())(torch.zeros(1, 1, 4, 4, 4), torch.zeros(1, 1, 4, 4, 6))
