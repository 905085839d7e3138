import nibabel as nib
import numpy as np
import pytest
import torch
from torch.testing import assert_close

from common.world import grid as world_grid
from common.world.grid import Grid
from common.world.network_grid import network_grid
from common.world.resample import (
    ddf_to_field_mm,
    field_mm_to_ddf,
    move_points,
    resample,
    resample_smoothly,
    shrink,
    warp_moving,
)

ORIENTATIONS = [
    "".join(random.choice(list(pair)) for pair in np.array(["RL", "AP", "SI"])[random.permutation(3)])
    for random in map(np.random.default_rng, range(20))
]


def random_grid(world, seed, axcodes, extent_mm, spacing=(1.2, 3.0)):
    random = np.random.default_rng(seed)
    spacing = random.uniform(*spacing, 3)
    return world.grid(axcodes, spacing, extent_mm, random.uniform(-8, 8, 3), random.uniform(-25, 25, 3))


def coordinate_image(world, grid):
    """Three channels with the world position of every voxel: linear, so linear interpolation is exact."""
    return torch.from_numpy(world.voxel_points(grid)).movedim(-1, 0)


def interior(grid, margin_mm=6.0):
    """True where a voxel lies at least ``margin_mm`` inside the grid."""
    margins = [int(np.ceil(margin_mm / size)) for size in grid.spacing]
    mask = np.zeros(grid.spatial_shape, dtype=bool)
    mask[tuple(slice(margin, -margin) for margin in margins)] = True
    return mask


@pytest.mark.parametrize("seed", range(20))
def test_smooth_mapping_is_the_same_in_world_space_on_any_pair_of_grids(seed, world):
    fixed = random_grid(world, seed, ORIENTATIONS[seed], 60.0)
    moving = random_grid(world, 100 + seed, ORIENTATIONS[-1 - seed], 170.0, spacing=(2.0, 5.0))
    network = network_grid(fixed, spacing=(None, 2.0, (1.5, 2.5, 3.0))[seed % 3], divisible_by=8)
    field_mm = ddf_to_field_mm(world.network_ddf(network), network, fixed)
    warped = warp_moving(coordinate_image(world, moving), moving, field_mm, fixed)
    points = world.voxel_points(fixed)
    error_mm = np.abs(warped.movedim(0, -1).numpy() - points - world.displacement_mm(points))
    print(f"{ORIENTATIONS[seed]} <- {ORIENTATIONS[-1 - seed]}: {error_mm[interior(fixed)].max():.4f} mm")
    assert error_mm[interior(fixed)].max() < 0.1


@pytest.mark.parametrize("seed", range(20))
def test_points_move_alike_on_any_grid(seed, world):
    fixed = random_grid(world, seed, ORIENTATIONS[seed], 60.0)
    network = network_grid(fixed, spacing=2.0)
    points = np.random.default_rng(0).uniform(-10, 10, (50, 3))
    field_mm = ddf_to_field_mm(world.network_ddf(network), network, fixed)
    moved = move_points(torch.from_numpy(points), field_mm, fixed).numpy()
    assert np.abs(moved - points - world.displacement_mm(points)).max() < 0.1


@pytest.mark.parametrize("seed", range(5))
def test_resample_places_every_voxel_at_its_world_position(seed, world):
    moving = random_grid(world, 100 + seed, ORIENTATIONS[-1 - seed], 120.0)
    network = network_grid(random_grid(world, seed, ORIENTATIONS[seed], 40.0), spacing=2.0, divisible_by=8)
    resampled = resample(coordinate_image(world, moving), moving, network)
    assert_close(resampled, coordinate_image(world, network), atol=1e-3, rtol=0)


def test_resample_to_a_reoriented_grid_copies_the_voxels(world, generator):
    fixed = world.grid("SLP", (1.0, 2.0, 3.0), (8.0, 10.0, 12.0), angles_deg=(8, -5, 12))
    image = torch.rand(1, *fixed.spatial_shape, generator=generator)
    expected = nib.as_closest_canonical(nib.Nifti1Image(image[0].numpy(), fixed.affine.numpy())).get_fdata()
    assert_close(resample(image, fixed, network_grid(fixed))[0].double(), torch.from_numpy(expected), atol=1e-4, rtol=0)


def test_resample_puts_the_background_outside_the_image(world):
    grid = world.grid("RAS", 1.0, 4.0)
    padded = network_grid(grid, spatial_shape=8)
    assert resample(torch.full((1, 4, 4, 4), 5.0), grid, padded, background=-1000.0)[0, 0, 0, 0] == -1000
    assert resample(torch.full((1, 4, 4, 4), 5.0), grid, padded, background=None)[0, 0, 0, 0] == 5


def test_resample_nearest_makes_no_new_labels(world, generator):
    moving, fixed = random_grid(world, 0, "RAS", 30.0), random_grid(world, 1, "LPI", 30.0)
    labels = torch.randint(0, 2, (1, *moving.spatial_shape), generator=generator) * 9
    assert set(resample(labels, moving, fixed, mode="nearest").unique().tolist()) <= {0.0, 9.0}


def test_slabs_do_not_change_the_result(world, monkeypatch):
    fixed, moving = random_grid(world, 0, "LPI", 30.0), random_grid(world, 1, "ASR", 40.0)
    network = network_grid(fixed, spacing=4.0)

    def warped():
        field_mm = ddf_to_field_mm(world.network_ddf(network), network, fixed)
        return warp_moving(coordinate_image(world, moving), moving, field_mm, fixed)

    whole = warped()
    monkeypatch.setattr(world_grid, "SLAB_VOXELS", 3 * fixed.spatial_shape[1] * fixed.spatial_shape[2])
    assert torch.equal(warped(), whole)


def test_field_goes_on_from_the_border_of_the_network_grid(world):
    fixed = world.grid("LPS", 1.0, 12.0)
    network = network_grid(fixed, spatial_shape=4)
    field_mm = ddf_to_field_mm(torch.ones(3, 4, 4, 4), network, fixed)
    assert_close(field_mm, torch.ones(3, 12, 12, 12))


def test_field_in_voxels_and_back_to_world_is_the_same_field(world, generator):
    grid = random_grid(world, 3, "PIR", 20.0)
    field_mm = torch.randn(3, *grid.spatial_shape, generator=generator)
    assert_close(ddf_to_field_mm(field_mm_to_ddf(field_mm, grid), grid, grid), field_mm, atol=1e-4, rtol=0)


def test_warp_moving_with_no_displacement_is_resampling(world, generator):
    moving, fixed = random_grid(world, 0, "RAS", 40.0), random_grid(world, 1, "LPI", 30.0)
    image = torch.rand(1, *moving.spatial_shape, generator=generator)
    warped = warp_moving(image, moving, torch.zeros(3, *fixed.spatial_shape), fixed)
    assert torch.equal(warped, resample(image, moving, fixed))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_does_not_change_a_field_or_a_warped_image(dtype, world):
    fixed, moving = random_grid(world, 0, "LPI", 30.0), random_grid(world, 1, "ASR", 40.0)
    ddf, image = world.network_ddf(fixed), coordinate_image(world, moving).float()
    plain = ddf_to_field_mm(ddf, fixed, fixed)
    with torch.autocast("cpu", dtype=dtype):
        assert torch.equal(ddf_to_field_mm(ddf, fixed, fixed), plain)
        cast = warp_moving(image, moving, plain, fixed)
    assert torch.equal(cast, warp_moving(image, moving, plain, fixed))


def test_field_names_the_shape_its_grid_asks_for():
    grid = Grid((4, 5, 6), torch.eye(4))
    with pytest.raises(ValueError, match=r"expected ddf of shape \(3, 4, 5, 6\).*got \(3, 4, 5, 7\)"):
        ddf_to_field_mm(torch.zeros(3, 4, 5, 7), grid, grid)
    with pytest.raises(ValueError, match=r"expected moving of shape \('C', 4, 5, 6\).*got \(1, 4, 4, 4\)"):
        warp_moving(torch.zeros(1, 4, 4, 4), grid, torch.zeros(3, 4, 5, 6), grid)


def test_move_points_names_the_shape_of_points():
    with pytest.raises(ValueError, match=r"expected points of shape \(N, 3\), got \(1, 5, 3\)"):
        move_points(torch.zeros(1, 5, 3), torch.zeros(3, 4, 4, 4), Grid((4, 4, 4), torch.eye(4)))


def test_shrinking_keeps_a_linear_image_linear_in_world_space():
    affine = torch.tensor([[0.0, -1.0, 0, 5], [1.0, 0, 0, -3], [0, 0, 2.5, 1], [0, 0, 0, 1]])
    grid = Grid((8, 12, 6), affine)
    world = grid.voxel_to_world(torch.stack(torch.meshgrid(*map(torch.arange, grid.spatial_shape), indexing="ij"), -1))
    image = (world @ torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64))[None].float()
    small, small_grid = shrink(image, grid, 2.5)
    index = torch.stack(torch.meshgrid(*map(torch.arange, small_grid.spatial_shape), indexing="ij"), -1)
    expected = small_grid.voxel_to_world(index) @ torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
    assert small_grid.spatial_shape == (4, 6, 6)
    torch.testing.assert_close(small[0].double(), expected, atol=1e-4, rtol=0)


def test_thick_slices_are_not_averaged():
    _, grid = shrink(torch.zeros(1, 16, 16, 3), Grid((16, 16, 3), torch.diag(torch.tensor([1.0, 1, 6, 1]))), 4.0)
    assert grid.spatial_shape == (4, 4, 3)


def test_the_mean_of_noise_survives_a_coarse_grid(generator):
    noise = torch.randn(1, 32, 32, 32, generator=generator)
    target = Grid((4, 4, 4), torch.diag(torch.tensor([8.0, 8.0, 8.0, 1.0])))
    smooth = resample_smoothly(noise, Grid((32, 32, 32), torch.eye(4)), target)
    assert smooth.std() < 0.1  # a plain interpolation would keep about 1
