import torch

from common.methods.cyclical_self_training_points.chamfer import chamfer_distance, local_laplacian


def cloud(count=30, seed=0):
    return torch.rand(count, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_distance_of_a_cloud_from_itself_is_zero():
    assert chamfer_distance(cloud(), cloud()[torch.randperm(30)]) == 0


def test_distance_is_symmetric_and_the_sum_of_both_sides():
    one, other = cloud(), cloud(20, 1)
    squares = (one[:, None] - other).square().sum(2)
    assert torch.isclose(chamfer_distance(one, other), squares.amin(1).mean() + squares.amin(0).mean())
    assert torch.isclose(chamfer_distance(one, other, one_sided=True), squares.amin(1).mean())


def test_laplacian_of_a_linear_field_is_that_of_its_neighbors():
    points = torch.tensor([[0.0, 0, 0], [1.0, 0, 0], [3.0, 0, 0]])
    # nearest neighbors 1, 0, 1 at distances 1, 1, 2; u = 2 x: (4 + 4 + 16) / 3
    assert local_laplacian(points, 2 * points, 1) == 8.0


def test_gradients_agree_with_differences():
    points, moved = cloud(12), (cloud(12) + 0.01).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: chamfer_distance(x, points), moved)
    assert torch.autograd.gradcheck(lambda u: local_laplacian(points, u), moved)
