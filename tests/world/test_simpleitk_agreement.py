"""An outside tool applies our saved field to the moving image and gets our warped image."""

import nibabel as nib
import numpy as np
import pytest
import torch

from common.world.files import save_field, save_image
from common.world.grid import Grid
from common.world.network_grid import network_grid
from common.world.resample import ddf_to_field_mm, warp_moving

sitk = pytest.importorskip("SimpleITK")

# (axis codes, spacing in mm, extent in mm, center in mm, rotation in degrees) of the fixed and the moving image
PAIRS = {
    "same": (("RAS", 1.5, 60.0), ("RAS", 1.5, 60.0)),
    "flipped": (("RAS", 1.5, 60.0), ("LPI", 1.5, 60.0)),
    "permuted": (("SLP", 1.5, 60.0), ("AIR", 1.5, 60.0)),
    "anisotropic": (("RAS", (0.9, 1.4, 4.0), 60.0), ("RAS", (3.0, 1.1, 1.0), 60.0)),
    "sizes": (("RAS", 1.5, (40.0, 60.0, 50.0), (3, 4, 5)), ("RAS", 2.0, (90.0, 70.0, 80.0), (-2, 1, 6))),
    "oblique": (("RAS", 1.5, 60.0, (0, 0, 0), (20, -15, 10)), ("RAS", 1.5, 60.0, (0, 0, 0), (-10, 25, 30))),
    "all": (
        ("PSR", (1.0, 3.0, 1.3), (50.0, 60.0, 45.0), (90, -40, 200), (20, -15, 10)),
        ("ILA", (2.1, 0.9, 1.5), (70.0, 80.0, 66.0), (93, -42, 204), (-10, 25, 30)),
    ),
}


def warped_by_simpleitk(folder):
    """Read fixed.nii.gz, moving.nii.gz and field.nii.gz, return the moving image on the fixed grid, (X, Y, Z)."""
    field = sitk.ReadImage(str(folder / "field.nii.gz"), sitk.sitkVectorFloat64)
    moving = sitk.ReadImage(str(folder / "moving.nii.gz"), sitk.sitkFloat32)
    fixed = sitk.ReadImage(str(folder / "fixed.nii.gz"))
    transform = sitk.DisplacementFieldTransform(field)
    return sitk.GetArrayFromImage(sitk.Resample(moving, fixed, transform, sitk.sitkLinear, 0.0)).transpose(2, 1, 0)


def moving_interior(fixed, moving, displacement_mm, world):
    """True where a fixed voxel lies inside its grid and is carried inside the moving grid, both by a voxel."""
    points = world.voxel_points(fixed)
    mask = np.zeros(fixed.spatial_shape, dtype=bool)
    mask[1:-1, 1:-1, 1:-1] = True
    voxels = nib.affines.apply_affine(np.linalg.inv(moving.affine.numpy()), points + displacement_mm(points))
    return mask & (voxels >= 1).all(axis=-1) & (voxels <= np.array(moving.spatial_shape) - 2).all(axis=-1)


@pytest.mark.parametrize("pair", PAIRS)
def test_simpleitk_with_the_saved_field_gives_our_warped_image(pair, world, tmp_path):
    fixed, moving = (world.grid(*arguments) for arguments in PAIRS[pair])
    image = torch.from_numpy(world.intensity(world.voxel_points(moving)))[None].float()
    network = network_grid(fixed, spacing=2.0, divisible_by=8)
    field_mm = ddf_to_field_mm(world.network_ddf(network), network, fixed)
    save_image(tmp_path / "moving.nii.gz", image, moving)
    save_image(tmp_path / "fixed.nii.gz", torch.zeros(fixed.spatial_shape), fixed)
    save_field(tmp_path / "field.nii.gz", field_mm, fixed)
    difference = np.abs(warped_by_simpleitk(tmp_path) - warp_moving(image, moving, field_mm, fixed)[0].numpy())
    inside = moving_interior(fixed, moving, world.displacement_mm, world)
    mean, largest = difference[inside].mean(), difference[inside].max()
    print(f"{pair}: mean {mean:.5f} %, maximum {largest:.5f} % of the range, {inside.mean():.0%} of the voxels")
    assert inside.mean() > 0.3
    assert mean < 1.0  # the range is 100


@pytest.mark.data
@pytest.mark.parametrize(("fixed_name", "moving_name"), [("CT", "T1"), ("T1", "CT")])
def test_simpleitk_agrees_on_a_real_pair_with_different_grids(
    fixed_name, moving_name, registration_data, world, tmp_path
):
    paths = {name: registration_data / "LimbCTMR" / "sts002" / f"{name}.nii.gz" for name in ("CT", "T1")}
    images = {name: nib.load(path) for name, path in paths.items()}
    grids = {name: Grid(image.shape[:3], torch.from_numpy(image.affine)) for name, image in images.items()}
    fixed, moving = grids[fixed_name], grids[moving_name]
    image = torch.from_numpy(images[moving_name].get_fdata(dtype=np.float32))[None]
    network = network_grid(fixed, spacing=4.0)
    field_mm = ddf_to_field_mm(world.network_ddf(network), network, fixed)
    save_field(tmp_path / "field.nii.gz", field_mm, fixed)
    (tmp_path / "fixed.nii.gz").symlink_to(paths[fixed_name])
    (tmp_path / "moving.nii.gz").symlink_to(paths[moving_name])
    difference = np.abs(warped_by_simpleitk(tmp_path) - warp_moving(image, moving, field_mm, fixed)[0].numpy())
    inside = moving_interior(fixed, moving, world.displacement_mm, world)
    percent = 100 / (image.max() - image.min()).item()
    print(f"{moving_name} on {fixed_name}: mean {percent * difference[inside].mean():.5f} %")
    assert percent * difference[inside].mean() < 1.0
