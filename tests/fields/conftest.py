"""Analytic fields, images and grids that the field tests share, and the planting of errors."""

import importlib.util
import inspect
import itertools
from pathlib import Path
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pytest
import torch

from common.fields.world import Grid


@pytest.fixture
def smooth_ddf():
    """A function that makes a random smooth ddf (1, D, *shape), float64, at most ``amplitude`` voxels large."""

    def make(shape, amplitude, generator):
        ddf = torch.randn(1, len(shape), *[3] * len(shape), generator=generator, dtype=torch.float64)
        for axis, size in enumerate(shape):
            phase = torch.pi * (torch.arange(size, dtype=torch.float64) + 0.5) / size
            cosines = torch.cos(torch.arange(3.0)[:, None] * phase)
            ddf = torch.tensordot(ddf, cosines, dims=([axis + 2], [0])).movedim(-1, axis + 2)
        return amplitude * ddf / ddf.abs().max()

    return make


@pytest.fixture
def linear_ddf():
    """A function that makes the ddf (1, D, *shape) of x ↦ c + matrix (x − c), c the grid's center, float64."""

    def make(shape, matrix):
        axes = [torch.arange(size, dtype=torch.float64) - (size - 1) / 2 for size in shape]
        centered = torch.stack(torch.meshgrid(*axes, indexing="ij"))
        matrix = torch.as_tensor(matrix, dtype=torch.float64)
        return torch.einsum("ij,j...->i...", matrix - torch.eye(len(shape)), centered)[None]

    return make


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


def _load_test_file(name):
    spec = importlib.util.spec_from_file_location(f"planted_{name}", Path(__file__).with_name(f"{name}.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _parameter_sets(test):
    """Keyword arguments of every parametrization of a test, as pytest would make them."""
    marks = [mark for mark in getattr(test, "pytestmark", []) if mark.name == "parametrize"]
    for values in itertools.product(*(mark.args[1] for mark in marks)):
        arguments = {}
        for mark, value in zip(marks, values, strict=True):
            several = not isinstance(mark.args[0], str)
            arguments.update(zip(mark.args[0], value, strict=True) if several else {mark.args[0]: value})
        yield arguments


@pytest.fixture
def run_with_error(request, monkeypatch):
    """A function that runs a test of this folder, all its parameters, with one of its functions replaced.

    The function replaced is the one whose name the planted function's name ends in.
    """

    def run(file, test_name, planted):
        module = _load_test_file(file)
        names = [name for name in vars(module) if planted.__name__.endswith(f"_{name}")]
        monkeypatch.setattr(module, max(names, key=len), planted)
        test = getattr(module, test_name)
        for arguments in _parameter_sets(test):
            fixtures = set(inspect.signature(test).parameters) - set(arguments)
            test(**arguments, **{name: request.getfixturevalue(name) for name in fixtures})

    return run
