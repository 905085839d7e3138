import math

import pytest
import torch

from common.solvers.affine import affine_by_mutual_information, best_alignment
from common.solvers.affine_objective import transform
from common.world.grid import Grid, apply_affine, grid_points
from common.world.resample import resample

GRID = Grid((30, 27, 24), torch.diag(torch.tensor([3.0, 3.0, 3.3, 1.0])))
MIDDLE_MM = torch.tensor([43.0, 39.0, 38.0], dtype=torch.float64)


def texture(seed=0, grid=GRID):
    """Smooth random tissue in an ellipsoid."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.nn.functional.interpolate(
        torch.rand(1, 1, 7, 7, 7, generator=generator), size=grid.spatial_shape, mode="trilinear", align_corners=True
    )[0]
    axes = [torch.linspace(-1, 1, size) for size in grid.spatial_shape]
    x, y, z = torch.meshgrid(*axes, indexing="ij")
    return noise * (1.4 * x**2 + 2 * y**2 + 1.7 * z**2 < 0.7).float() * 100


def rigid(degrees, shift_mm, center=(43.0, 39.0, 38.0)):
    theta = torch.zeros(1, 12, dtype=torch.float64)
    theta[0, :3], theta[0, 3:6] = torch.tensor(shift_mm), torch.deg2rad(torch.tensor(degrees))
    return transform(theta, torch.tensor(center), 1.0)[0]


def error_mm(estimate, truth):
    points = grid_points(GRID, slice(7, 23, 4))[:, 7:20:4, 6:18:4].reshape(-1, 3)
    return (apply_affine(estimate, points) - apply_affine(truth, points)).norm(dim=1).max().item()


def test_zero_parameters_are_the_identity_and_a_scale_leaves_the_center():
    theta = torch.zeros(2, 12)
    theta[1, 6] = math.log(2.0)
    center = torch.tensor([1.0, 2.0, 3.0])
    matrices = transform(theta, center, 1.0)
    torch.testing.assert_close(matrices[0], torch.eye(4))
    torch.testing.assert_close(apply_affine(matrices[1], center), center.double())
    assert torch.linalg.det(matrices[1]).item() == pytest.approx(2.0)


@pytest.mark.parametrize("kind", ["rigid", "affine"])
def test_a_rigid_motion_is_found_across_an_inverted_contrast(kind):
    fixed, truth = texture(), rigid((12.0, -8.0, 10.0), (15.0, -10.0, 8.0))
    moving = torch.where(fixed > 0, 300 - 2 * fixed, 0)
    moved_grid = Grid(GRID.spatial_shape, truth @ GRID.affine)
    estimate = affine_by_mutual_information(fixed, GRID, moving, moved_grid, kind=kind)
    assert error_mm(estimate, truth) < 1.0


def test_scales_are_found_by_the_affine_and_not_by_the_rigid_kind():
    truth = torch.diag(torch.tensor([1.1, 0.93, 1.05, 1.0], dtype=torch.float64))
    moved_grid = Grid(GRID.spatial_shape, truth @ GRID.affine)
    errors = {
        kind: error_mm(affine_by_mutual_information(texture(), GRID, texture(), moved_grid, kind=kind), truth)
        for kind in ("rigid", "affine")
    }
    assert errors["affine"] < 1.0 < errors["rigid"]


def test_shears_are_found():
    truth = torch.eye(4, dtype=torch.float64)
    truth[0, 1], truth[1, 2], truth[0, 3], truth[1, 3] = 0.15, -0.1, -6.0, 4.0
    moved_grid = Grid(GRID.spatial_shape, truth @ GRID.affine)
    found = best_alignment(texture(), GRID, texture(), moved_grid)
    assert error_mm(found.matrix, truth) < 1.0
    assert found.taken.startswith("affine from ")
    assert found.scores[found.taken] > found.scores["initial"]


def ellipsoid(matrix, grid=GRID):
    """One intensity and a soft edge; its points have gone the way of a matrix (3, 3) about the middle."""
    points = grid_points(grid, slice(None)) - MIDDLE_MM
    source = points @ torch.linalg.inv(matrix.double()).T / torch.tensor([30.0, 26.0, 22.0])
    return ((1 - source.norm(dim=-1)) * 8 + 0.5).clamp(0, 1)[None].float() * 100


@pytest.mark.parametrize("linear", [[[1, 0.15, 0], [0, 1, 0], [0, 0, 1]], [[1.1, 0, 0], [0, 0.95, 0], [0, 0, 1.08]]])
def test_an_object_without_texture_does_not_turn(linear):
    truth = torch.eye(4, dtype=torch.float64)
    truth[:3, :3] = torch.tensor(linear)
    truth[:3, 3] = (torch.eye(4)[:3, :3] - truth[:3, :3]) @ MIDDLE_MM
    found = affine_by_mutual_information(ellipsoid(torch.eye(3)), GRID, ellipsoid(truth[:3, :3]), GRID)
    assert error_mm(found, truth) < 0.8 * error_mm(torch.eye(4), truth)


@pytest.mark.parametrize("kind", ["rigid", "affine"])
def test_a_round_object_that_lies_right_stays(kind):
    ball = (texture() > 0).float() * 100
    found = best_alignment(ball, GRID, ball, GRID, kind=kind)
    assert found.taken == "initial"
    torch.testing.assert_close(found.matrix, torch.eye(4, dtype=torch.float64))
    assert "no other map raises" in found.facts["reason"]


def test_the_map_goes_from_fixed_to_moving_points():
    truth = rigid((0.0, 0.0, 10.0), (12.0, 0.0, 0.0))
    moved_grid = Grid(GRID.spatial_shape, truth @ GRID.affine)
    estimate = affine_by_mutual_information(texture(), GRID, texture(), moved_grid, kind="rigid")
    assert error_mm(estimate, torch.linalg.inv(truth)) > 5
    aligned = Grid(GRID.spatial_shape, torch.linalg.inv(estimate) @ moved_grid.affine)
    assert (resample(texture(), aligned, GRID) - texture()).abs().mean() < 2


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="expected one of rigid, affine, got 'similar'"):
        affine_by_mutual_information(texture(), GRID, texture(), GRID, kind="similar")
