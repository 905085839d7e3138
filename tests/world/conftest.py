"""A known world that the tests of this folder share: a displacement, an image, grids to see them on."""

from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pytest
import torch

from common.world.grid import Grid


def _displacement_mm(points):
    """A smooth world displacement: at most 3 mm per component, wavelength 75 mm."""
    x, y, z = np.moveaxis(points, -1, 0) * (2 * np.pi / 75)
    return 3 * np.stack([np.sin(y + 0.3) * np.cos(z), np.cos(x) * np.sin(z - 1), np.sin(x + y)], axis=-1)


def _intensity(points):
    """A textured world image in [0, 100], wavelengths 15 to 30 mm."""
    x, y, z = np.moveaxis(points, -1, 0)
    return 50 + 25 * np.sin(x / 3) * np.cos(y / 4) + 25 * np.sin(z / 5 + y / 6)


def _grid(axcodes, spacing, extent_mm, center_mm=(0, 0, 0), angles_deg=(0, 0, 0)):
    """Grid whose axes point to ``axcodes``, then are turned; centered at ``center_mm``."""
    orientation = nib.orientations.axcodes2ornt(axcodes)
    directions = np.zeros((3, 3))
    directions[orientation[:, 0].astype(int), range(3)] = orientation[:, 1]
    turned = nib.eulerangles.euler2mat(*np.deg2rad(angles_deg)) @ directions
    shape = np.round(np.broadcast_to(extent_mm, 3) / spacing).astype(int)
    affine = np.eye(4)
    affine[:3, :3] = turned * spacing
    affine[:3, 3] = center_mm - affine[:3, :3] @ ((shape - 1) / 2)
    return Grid(tuple(shape), torch.from_numpy(affine))


def _voxel_points(grid):
    """World position of every voxel, (X, Y, Z, 3), by nibabel."""
    indices = np.stack(np.meshgrid(*map(np.arange, grid.spatial_shape), indexing="ij"), axis=-1)
    return nib.affines.apply_affine(grid.affine.numpy(), indices)


def _network_ddf(grid):
    """The world displacement in voxels of ``grid``, (3, X, Y, Z): A⁻¹ T(A x) − x."""
    points = _voxel_points(grid)
    inverse = np.linalg.inv(grid.affine.numpy())
    moved = nib.affines.apply_affine(inverse, points + _displacement_mm(points))
    return torch.from_numpy(moved - nib.affines.apply_affine(inverse, points)).movedim(-1, 0).float()


@pytest.fixture
def world():
    """A known world: displacement_mm(points), intensity(points), and grids to see it on, all in NumPy."""
    return SimpleNamespace(
        displacement_mm=_displacement_mm,
        intensity=_intensity,
        grid=_grid,
        voxel_points=_voxel_points,
        network_ddf=_network_ddf,
    )
