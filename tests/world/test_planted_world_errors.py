"""The tests of world space and of the files fail when an error is planted in the function that they test."""

import pytest
import torch

from common.world.files import load_field, save_field
from common.world.grid import Grid
from common.world.resample import ddf_to_field_mm, field_mm_to_ddf, move_points, resample, warp_moving

MAPPING = "test_smooth_mapping_is_the_same_in_world_space_on_any_pair_of_grids"
AGREEMENT = "test_simpleitk_with_the_saved_field_gives_our_warped_image"
RAS_TO_LPS = torch.tensor([-1.0, -1.0, 1.0]).view(3, 1, 1, 1)


def _with_affine(ddf, network, fixed, affine):
    field_mm = ddf_to_field_mm(ddf, *[Grid(network.spatial_shape, affine)] * 2)
    return resample(field_mm, network, fixed, background=None)


def spacing_only_ddf_to_field_mm(ddf, network, fixed):
    directions = torch.diag(torch.tensor([*network.spacing, 1.0]))
    return _with_affine(ddf, network, fixed, directions)


def voxels_as_mm_ddf_to_field_mm(ddf, network, fixed):
    return _with_affine(ddf, network, fixed, torch.eye(4))


def swapped_axes_ddf_to_field_mm(ddf, network, fixed):
    return ddf_to_field_mm(ddf.flip(0), network, fixed)


def zeros_outside_ddf_to_field_mm(ddf, network, fixed):
    return resample(ddf_to_field_mm(ddf, network, network), network, fixed)


def voxel_field_warp_moving(moving, moving_grid, field_mm, fixed_grid):
    return warp_moving(moving, moving_grid, field_mm_to_ddf(field_mm, fixed_grid), fixed_grid)


def one_affine_warp_moving(moving, moving_grid, field_mm, fixed_grid):
    return warp_moving(moving, Grid(moving_grid.spatial_shape, fixed_grid.affine), field_mm, fixed_grid)


def pushed_warp_moving(moving, moving_grid, field_mm, fixed_grid):
    return warp_moving(moving, moving_grid, -field_mm, fixed_grid)


def pulled_back_move_points(points_mm, field_mm, grid):
    return 2 * points_mm - move_points(points_mm, field_mm, grid)


def ras_save_field(path, field_mm, grid):
    save_field(path, field_mm * RAS_TO_LPS, grid)


def swapped_axes_save_field(path, field_mm, grid):
    save_field(path, field_mm.flip(0), grid)


def voxel_save_field(path, field_mm, grid):
    save_field(path, field_mm_to_ddf(field_mm, grid), grid)


def ras_load_field(path):
    field_mm, grid = load_field(path)
    return field_mm * RAS_TO_LPS, grid


CASES = [
    ("test_resample", MAPPING, spacing_only_ddf_to_field_mm),
    ("test_resample", MAPPING, voxels_as_mm_ddf_to_field_mm),
    ("test_resample", MAPPING, swapped_axes_ddf_to_field_mm),
    ("test_resample", MAPPING, voxel_field_warp_moving),
    ("test_resample", MAPPING, one_affine_warp_moving),
    ("test_resample", "test_field_goes_on_from_the_border_of_the_network_grid", zeros_outside_ddf_to_field_mm),
    ("test_resample", "test_points_move_alike_on_any_grid", pulled_back_move_points),
    ("test_simpleitk_agreement", AGREEMENT, ras_save_field),
    ("test_simpleitk_agreement", AGREEMENT, swapped_axes_save_field),
    ("test_simpleitk_agreement", AGREEMENT, voxel_save_field),
    ("test_simpleitk_agreement", AGREEMENT, pushed_warp_moving),
    ("test_files", "test_field_written_by_itk_is_the_same_displacement", ras_load_field),
]


@pytest.mark.parametrize(("file", "test_name", "planted"), CASES)
def test_property_test_fails_on_a_planted_error(file, test_name, planted, run_with_error):
    with pytest.raises(AssertionError):
        run_with_error(file, test_name, planted)
