import pytest
import torch
from monai.data import MetaTensor

from common.methods.cyclical_self_training_points.from_ct import (
    FROM_RAS,
    DisplacementsToFieldd,
    KeypointsFromCtd,
    coarse_grid,
    world_to_units,
)
from common.world.grid import Grid
from common.world.resample import move_points


def image(seed, affine=None):
    noise = torch.rand(1, 40, 36, 30, generator=torch.Generator().manual_seed(seed))
    return MetaTensor(
        1000 * noise - 1000, affine=torch.diag(torch.tensor([3.0, 3, 3, 1])) if affine is None else affine
    )


def mask(like):
    inside = torch.zeros(1, 40, 36, 30)
    inside[:, 5:35, 5:31, 5:25] = 1
    return MetaTensor(inside, affine=like.affine)


def item():
    fixed, moving = image(0), image(1)
    return {"fixed": fixed, "moving": moving, "fixed_mask": mask(fixed), "moving_mask": mask(moving)}


def test_axes_of_units_are_superior_posterior_left():
    directions = world_to_units(torch.eye(3), torch.zeros(3), torch.ones(3))
    assert directions.tolist() == [[0, 0, -1], [0, -1, 0], [1, 0, 0]]  # right, anterior, superior in world space
    assert torch.linalg.det(FROM_RAS) == -1.0


def test_masks_decide_where_points_are():
    done = KeypointsFromCtd(spacing_mm=3.0, fixed_window=5, moving_window=3)(item())
    assert len(done["moving_points"]) > len(done["fixed_points"]) > 20
    inside_mm = (done["fixed_points"].double() * done["mm_per_unit"]) @ FROM_RAS + done["center_mm"]
    voxels = Grid.from_image(done["fixed_native"]).world_to_voxel(inside_mm)
    assert voxels.amin() > 4
    assert (voxels.amax(0) < torch.tensor([35, 31, 25])).all()


def test_empty_mask_is_refused():
    bad = item()
    bad["moving_mask"] = MetaTensor(torch.zeros(1, 40, 36, 30), affine=bad["moving"].affine)
    with pytest.raises(ValueError, match=r"expected a mask .* not empty"):
        KeypointsFromCtd(spacing_mm=3.0)(bad)


def test_field_moves_keypoints_as_their_displacements_say():
    done = KeypointsFromCtd(spacing_mm=3.0, fixed_window=9)(item())
    units = done["fixed_points"]
    shift = torch.tensor([0.05, -0.02, 0.01])
    done["displacements"] = shift + 0.1 * units
    field = DisplacementsToFieldd(stride_mm=9.0)(done)["field_mm"]
    points_mm = (units.double() * done["mm_per_unit"]) @ FROM_RAS + done["center_mm"]
    moved = move_points(points_mm, field.as_tensor(), Grid.from_image(field))
    expected = ((units + done["displacements"]).double() * done["mm_per_unit"]) @ FROM_RAS + done["center_mm"]
    assert (moved - expected).norm(dim=1).max() < 0.05


def test_coarse_grid_covers_the_same_box():
    grid = Grid((20, 30, 11), torch.diag(torch.tensor([1.0, 2.0, 3.0, 1.0])))
    coarse = coarse_grid(grid, 6.0)
    ends = [g.voxel_to_world(torch.tensor(g.spatial_shape) - 1) for g in (grid, coarse)]
    assert torch.allclose(*ends)
    assert max(coarse.spacing) < 9


@pytest.mark.parametrize("window", [8, 0])
def test_a_window_without_a_middle_is_refused(window):
    with pytest.raises(ValueError, match=f"moving_window: expected an odd number of voxels, got {window}"):
        KeypointsFromCtd(moving_window=window)
