import itertools
import math

import numpy as np
import pytest
import torch

from common.methods.mcd_pemd.projected_emd import (
    ProjectedEMDLoss,
    cumulative_projection,
    projected_emd,
    projection_directions,
)


def emd_matrix(num_projections=16, spatial_dims=2, angle_range=180.0):
    return cumulative_projection(5, projection_directions(num_projections, spatial_dims, angle_range))


def random_histograms(count, generator, num_classes=25):
    return torch.rand(count, num_classes, generator=generator, dtype=torch.float64).softmax(dim=1)


def shifted(vector, distance=1):
    """Two one-bin histograms, the second `vector` away from the first."""
    grid = torch.zeros(2, 5, 5, dtype=torch.float64)
    grid[0, 2, 2] = 1
    grid[1, 2 + distance * vector[0], 2 + distance * vector[1]] = 1
    return grid.reshape(2, 25).split(1)


def blobs(count, generator):
    """Gaussian-like 5 × 5 histograms, as the paper assumes."""
    axis = torch.arange(5, dtype=torch.float64)
    center = 4 * torch.rand(count, 2, 1, 1, generator=generator, dtype=torch.float64)
    sd = 0.4 + torch.rand(count, 1, 1, generator=generator, dtype=torch.float64)
    squares = (axis[:, None] - center[:, 0]) ** 2 + (axis - center[:, 1]) ** 2
    return (-squares / (2 * sd**2)).flatten(1).softmax(dim=1)


def exact_emd(p, q):
    ot = pytest.importorskip("ot")
    bins = np.array(list(itertools.product(range(5), repeat=2)), dtype=float)
    cost = np.linalg.norm(bins[:, None] - bins[None], axis=-1)
    return np.array([ot.emd2(a.numpy(), b.numpy(), cost) for a, b in zip(p, q, strict=True)])


def test_each_line_carries_all_the_mass(generator):
    projection = emd_matrix().reshape(25, 16, 7)
    torch.testing.assert_close(projection[..., -1], torch.ones(25, 16, dtype=torch.float64))


def test_two_projections_are_the_exact_distances_of_the_marginals(generator):
    p, q = random_histograms(2, generator).reshape(2, 5, 5)
    expected = sum((p.sum(d) - q.sum(d)).cumsum(0).abs().sum() for d in (0, 1)) / 2
    value = projected_emd(p.reshape(1, 25), q.reshape(1, 25), emd_matrix(2), 2)
    torch.testing.assert_close(value, expected)


def test_a_shift_costs_its_mean_projected_length():
    """Along an axis K = 16 directions average |cos|: (1/16) Σ |cos(kπ/16)| = cot(π/32)/16 ≈ 0.6346."""
    value = projected_emd(*shifted((1, 0)), emd_matrix(), 16)
    assert value.item() == pytest.approx(1 / (16 * math.tan(math.pi / 32)), abs=1e-9)


def test_both_diagonals_cost_the_same_over_180_degrees_but_not_over_90():
    values = {r: [projected_emd(*shifted(v), emd_matrix(16, 2, r), 16) for v in ((1, 1), (1, -1))] for r in (180, 90)}
    torch.testing.assert_close(values[180][0], values[180][1])
    assert values[90][0] > 2 * values[90][1]


def test_is_a_pseudo_metric(generator):
    p, q, r = random_histograms(3, generator).split(1)
    d = lambda a, b: projected_emd(a, b, emd_matrix(), 16).item()  # noqa: E731
    assert d(p, p) == 0
    assert d(p, q) == pytest.approx(d(q, p))
    assert d(p, r) <= d(p, q) + d(q, r)


def test_two_projections_cannot_tell_histograms_with_equal_marginals():
    p, q = torch.zeros(2, 1, 25, dtype=torch.float64)
    p[0, [0, 24]] = q[0, [4, 20]] = 0.5
    assert projected_emd(p, q, emd_matrix(2), 2) == pytest.approx(0, abs=1e-12)
    assert projected_emd(p, q, emd_matrix(16), 16) > 0.1


def test_a_common_shift_changes_nothing(generator):
    p, q = torch.zeros(2, 1, 5, 5, dtype=torch.float64)
    p[0, :4, :4], q[0, :4, :4] = random_histograms(2, generator, 16).reshape(2, 4, 4)
    values = [projected_emd(*(h.roll((s, s), (1, 2)).reshape(1, 25) for h in (p, q)), emd_matrix(2), 2) for s in (0, 1)]
    torch.testing.assert_close(values[0], values[1])


@pytest.mark.parametrize(
    ("num_projections", "angle_range", "low", "high"),
    [
        (16, 180.0, 0.999, 1),
        (2, 180.0, 0.95, 0.999),
        (16, 90.0, 0.7, 0.9),
    ],
)
def test_correlates_with_the_exact_distance(num_projections, angle_range, low, high, generator):
    p, q = blobs(300, generator), blobs(300, generator)
    matrix = emd_matrix(num_projections, 2, angle_range)
    ours = [projected_emd(a[None], b[None], matrix, num_projections).item() for a, b in zip(p, q, strict=True)]
    assert low <= np.corrcoef(ours, exact_emd(p, q))[0, 1] <= high


def test_knows_how_far_classes_are_apart_where_l1_does_not(generator):
    p, near, far = torch.eye(25)[[0, 1, 24]].split(1)
    loss = ProjectedEMDLoss()
    assert loss(p, far) > 5 * loss(p, near)
    torch.testing.assert_close((p - far).abs().mean(), (p - near).abs().mean())


def test_gradient_is_the_numerical_one(generator):
    """Through a softmax: off the simplex the last, always equal, entries of the cumulated lines have a kink."""
    logits = torch.randn(2, 2, 25, generator=generator, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: projected_emd(*x.softmax(2), emd_matrix(4), 4), logits)


def test_three_dimensions_rank_shifts_by_length():
    histograms = torch.eye(125, dtype=torch.float64)
    center, near, far = (histograms[[25 * i + 5 * i + i]] for i in (2, 3, 4))
    loss = ProjectedEMDLoss(num_projections=32, spatial_dims=3)
    assert loss(center, far).item() == pytest.approx(2 * loss(center, near).item(), rel=0.02)


@pytest.mark.parametrize("arguments", [(0, 2, 180.0), (4, 4, 180.0), (4, 2, 45.0), (4, 3, 90.0)])
def test_impossible_directions_are_refused(arguments):
    with pytest.raises(ValueError, match="expected"):
        projection_directions(*arguments)
