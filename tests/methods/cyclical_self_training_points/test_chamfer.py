import torch
from scipy.spatial import cKDTree

from common.methods.cyclical_self_training_points.chamfer import (
    chamfer_distance,
    laplacian_difference,
    smoothness,
)


def cloud(count=30, seed=0):
    return torch.rand(count, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_distance_of_a_cloud_from_itself_is_zero():
    assert chamfer_distance(cloud(), cloud()[torch.randperm(30)]) == 0


def test_distance_is_the_sum_of_both_ways():
    one, other = cloud(), cloud(20, 1)
    ways = [cKDTree(b).query(a)[0] for a, b in ((one.numpy(), other.numpy()), (other.numpy(), one.numpy()))]
    expected = sum((way**2).mean() for way in ways)
    assert torch.isclose(chamfer_distance(one, other), torch.tensor(expected))


def test_smoothness_of_a_linear_field_is_that_of_its_neighbors():
    points = torch.tensor([[0.0, 0, 0], [1.0, 0, 0], [3.0, 0, 0]])
    # nearest neighbors 1, 0, 1 at distances 1, 1, 2; u = 2 x: (4 + 4 + 16) / 3
    assert smoothness(points, 2 * points, 1) == 8.0


def test_laplacian_difference_by_hand():
    line = torch.tensor([[0.0, 0, 0], [1.0, 0, 0], [3.0, 0, 0]])
    # one neighbor each, points moved to 0, 2, 6: their Laplacians are (2, 0), (−2, 0), (−4, 0)
    assert laplacian_difference(line, line, 2 * line, 1, 1) == 0
    others = torch.tensor([[0.0, 0, 0], [2.0, 0, 0], [6.0, 0, 0], [1.0, 0, 0], [1.0, 1, 0], [6.0, 1, 0]])
    # the other cloud is denser, and its Laplacians there are (1, 0), (−1, 0), (0, 1)
    expected = (1 + 1 + (16 + 1)) / 3
    assert torch.isclose(laplacian_difference(line, line, others, 1, 1), torch.tensor(expected))


def test_a_shift_keeps_the_shape_and_a_crumpled_cloud_does_not():
    points, shift = cloud(40), torch.tensor([0.3, -0.2, 0.1], dtype=torch.float64)
    assert laplacian_difference(points, shift.expand(40, 3), points + shift) < 1e-12
    assert laplacian_difference(points, shift + 0.05 * cloud(40, 1), points + shift) > 1e-5


def test_gradients_agree_with_differences():
    points, moved = cloud(12), (cloud(12) + 0.01).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: chamfer_distance(x, points), moved)
    assert torch.autograd.gradcheck(lambda u: smoothness(points, u), moved)
    assert torch.autograd.gradcheck(lambda u: laplacian_difference(points, u, cloud(15, 2), 3, 2), moved)
