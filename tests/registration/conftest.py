"""Small pairs on odd grids, and how they are registered quickly."""

import nibabel as nib
import numpy as np
import pytest


def oblique(spacing, degrees, origin, flips=(1, 1, 1)):
    a, b = np.deg2rad(degrees)
    turn = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    tilt = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    affine = np.eye(4)
    affine[:3, :3] = turn @ tilt @ np.diag(np.multiply(spacing, flips))
    affine[:3, 3] = origin
    return affine


def tissue(points, seed=0):
    """Smooth intensities 0 to 100 at world points (..., 3), the same wherever a grid samples them."""
    waves = np.random.default_rng(seed)
    directions, phases = waves.normal(0, 0.07, (12, 3)), waves.uniform(0, 2 * np.pi, 12)
    values = np.cos(points @ directions.T + phases).sum(axis=-1)
    return (50 + 8 * values).clip(0, 100)


def write_image(path, shape, affine, motion=None):
    """The tissue on a grid, after the patient has moved by a world matrix."""
    index = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1)
    to_world = np.linalg.inv(np.eye(4) if motion is None else motion) @ affine
    volume = tissue(index @ to_world[:3, :3].T + to_world[:3, 3])
    nib.save(nib.Nifti1Image(volume.astype(np.float32), affine), path)
    return str(path)


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """Two oblique, anisotropic images of different sizes; between them the patient turned by 6° and moved by 5 mm."""
    folder = tmp_path_factory.mktemp("pair")
    fixed_affine = oblique([2, 2.2, 3], [15, 8], [30, -9, 7], [-1, 1, 1])
    moving_affine = oblique([3, 2, 2], [-10, 5], [-22, -14, 52], [1, 1, -1])
    motion = oblique([1, 1, 1], [6, 0], [4, -3, 1])
    fixed = write_image(folder / "fixed.nii.gz", (26, 22, 18), fixed_affine)
    return fixed, write_image(folder / "moving.nii.gz", (20, 26, 24), moving_affine, motion)
