"""The prior against the formula written out with the matrix of the grid's Laplacian."""

import pytest
import torch
from torch.distributions import MultivariateNormal, kl_divergence

from common.methods.mine_voxelmorph.velocity_prior import velocity_prior


def laplacian(shape):
    """D − A of a grid, dense."""
    places = torch.stack(torch.meshgrid(*map(torch.arange, shape), indexing="ij")).flatten(1).T
    adjacency = ((places[:, None] - places[None]).abs().sum(-1) == 1).double()
    return torch.diag(adjacency.sum(1)) - adjacency


def test_it_equals_the_dense_formula_on_a_small_grid(generator):
    shape, weight = (3, 3, 3), 10.0
    mean, log_variance = torch.randn(2, 1, 3, *shape, generator=generator, dtype=torch.float64)
    matrix, count = laplacian(shape), 27
    variance_term = (weight * torch.diag(matrix) * log_variance.exp().flatten(2) - log_variance.flatten(2)).mean()
    # vᵀ L v is the sum of squared differences over edges; each axis has 18 edges, and means run over 3 components.
    slopes = sum(c @ matrix @ c for c in mean.flatten(2)[0]) / (3 * 18)
    expected = 3 / 2 * (variance_term + weight / 6 * slopes)
    assert count == matrix.shape[0]
    assert velocity_prior(mean, log_variance, weight).item() == pytest.approx(expected.item(), rel=1e-5)


def divergence_per_voxel(mean, log_variance, weight):
    """KL of one component's normal distribution from the prior, by torch.distributions, times three components."""
    matrix = weight * laplacian(mean.shape) + 1e-6 * torch.eye(mean.numel(), dtype=torch.float64)
    prior = MultivariateNormal(torch.zeros(mean.numel(), dtype=torch.float64), precision_matrix=matrix)
    posterior = MultivariateNormal(mean.flatten(), torch.diag(log_variance.exp().flatten()))
    return 3 * kl_divergence(posterior, prior).item() / mean.numel()


def test_it_is_the_divergence_but_for_a_mean_term_six_times_weaker(generator):
    shape, weight = (3, 3, 3), 10.0
    zero = torch.zeros(shape, dtype=torch.float64)
    slope = torch.arange(3.0).double().view(3, 1, 1).expand(shape)  # 18 edges of slope 1, on 27 voxels
    spread = torch.randn(shape, generator=generator, dtype=torch.float64)

    def ours(mean, log_variance):
        return velocity_prior(mean.expand(1, 3, *shape), log_variance.expand(1, 3, *shape), weight).item()

    of_variance = divergence_per_voxel(zero, spread, weight) - divergence_per_voxel(zero, zero, weight)
    assert ours(zero, spread) - ours(zero, zero) == pytest.approx(of_variance, rel=1e-4)
    of_mean = divergence_per_voxel(slope, zero, weight) - divergence_per_voxel(zero, zero, weight)
    assert of_mean * 27 / 18 / (ours(slope, zero) - ours(zero, zero)) == pytest.approx(6, rel=1e-4)


def test_the_best_variance_inside_is_one_over_weight_and_neighbors():
    log_variance = torch.full((1, 3, 9, 9, 9), -4.0, requires_grad=True)
    optimizer = torch.optim.Adam([log_variance], lr=0.05)
    for _ in range(200):
        optimizer.zero_grad()
        velocity_prior(torch.zeros(1, 3, 9, 9, 9), log_variance).backward()
        optimizer.step()
    assert log_variance.exp()[0, 0, 4, 4, 4].item() == pytest.approx(1 / 60, rel=0.02)
    assert log_variance.exp()[0, 0, 0, 0, 0].item() == pytest.approx(1 / 30, rel=0.02)


def test_a_common_shift_costs_nothing():
    zero = torch.zeros(1, 3, 4, 4, 4)
    assert velocity_prior(zero + 5, zero) == velocity_prior(zero, zero)


def test_negative_weight_is_refused():
    with pytest.raises(ValueError, match="expected a weight ≥ 0"):
        velocity_prior(torch.zeros(1, 3, 4, 4, 4), torch.zeros(1, 3, 4, 4, 4), -1.0)
