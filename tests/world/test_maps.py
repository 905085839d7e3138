import torch

from common.world.grid import Grid, apply_affine, grid_points
from common.world.maps import affine_after_field, invert_field_mm, invert_points
from common.world.resample import move_points

GRID = Grid((12, 10, 8), torch.diag(torch.tensor([2.0, -2.0, 3.0, 1.0])))


def rotation(degrees=15.0, shift=(3.0, -2.0, 1.0)):
    angle = torch.deg2rad(torch.tensor(degrees, dtype=torch.float64))
    matrix = torch.eye(4, dtype=torch.float64)
    matrix[:2, :2] = torch.tensor([[angle.cos(), -angle.sin()], [angle.sin(), angle.cos()]])
    matrix[:3, 3] = torch.tensor(shift)
    return matrix


def smooth_field(generator, size_mm=2.0):
    coarse = torch.randn(1, 3, 3, 3, 3, generator=generator)
    return (
        size_mm
        * torch.nn.functional.interpolate(coarse, size=GRID.spatial_shape, mode="trilinear", align_corners=True)[0]
    )


def test_an_affine_after_a_field_moves_points_by_the_field_and_then_by_the_affine(generator):
    field_mm, matrix = smooth_field(generator), rotation()
    points = grid_points(GRID, slice(2, 4)).view(-1, 3)
    total = affine_after_field(matrix, field_mm, GRID)
    expected = apply_affine(matrix, move_points(points, field_mm, GRID))
    torch.testing.assert_close(move_points(points, total, GRID), expected, atol=1e-4, rtol=0)


def test_the_order_of_field_and_affine_matters(generator):
    field_mm, matrix = smooth_field(generator), rotation()
    points = grid_points(GRID, slice(2, 4)).view(-1, 3)
    wrong = move_points(apply_affine(matrix, points), field_mm, GRID)
    assert (move_points(points, affine_after_field(matrix, field_mm, GRID), GRID) - wrong).abs().max() > 0.1


def test_inverted_points_come_back_also_behind_a_rotation(generator):
    matrix = rotation(40.0)
    total = affine_after_field(matrix, smooth_field(generator), GRID)
    points = grid_points(GRID, slice(3, 9))[:, 2:8, 2:6].reshape(-1, 3)
    back = invert_points(move_points(points, total, GRID), total, GRID, matrix)
    torch.testing.assert_close(back, points, atol=0.01, rtol=0)


def test_the_inverse_field_lies_on_the_moving_grid_and_undoes_the_map(generator):
    matrix = rotation()
    total = affine_after_field(matrix, smooth_field(generator), GRID)
    target = Grid((9, 9, 9), matrix @ torch.diag(torch.tensor([1.0, 1.0, 1.0, 1.0], dtype=torch.float64)))
    inverse = invert_field_mm(total, GRID, target, matrix)
    points = grid_points(target, slice(2, 7))[:, 2:7, 2:7].reshape(-1, 3)
    there = move_points(move_points(points, inverse, target), total, GRID)
    torch.testing.assert_close(there, points, atol=0.01, rtol=0)
