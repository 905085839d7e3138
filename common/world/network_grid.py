"""The grid on which a network works, as it follows from that of the fixed image."""

from collections.abc import Sequence

import nibabel as nib
import numpy as np
import torch

from .grid import Grid


def network_grid(
    fixed: Grid,
    spacing: float | Sequence[float] | None = None,
    spatial_shape: int | Sequence[int] | None = None,
    divisible_by: int | Sequence[int] = 1,
) -> Grid:
    """Grid on which a network sees a pair: the fixed image's, in the order closest to RAS, resampled, padded.

    Axes are permuted and flipped, never rotated: an oblique image stays oblique. In this order, a new spacing
    keeps the center of the image and covers all of it; then every axis is cropped or padded about the center,
    by whole voxels.

    Args:
        fixed: grid of the fixed image.
        spacing: mm, one number or one per axis; None keeps the image's.
        spatial_shape: voxels, one number or one per axis, −1 keeps an axis; None keeps all.
        divisible_by: every axis is padded to a multiple of this number, or of its own entry.

    Returns:
        The grid of the network.

    Raises:
        ValueError: where an option has neither one nor three entries, or entries out of range.

    Example:
        >>> las = Grid((10, 20, 30), torch.diag(torch.tensor([-1.0, 1.0, 1.0, 1.0])))
        >>> grid = network_grid(las, spacing=2.0, divisible_by=8)
        >>> grid.spatial_shape, grid.spacing
        ((8, 16, 16), (2.0, 2.0, 2.0))
    """
    grid = _closest_to_ras(fixed)
    if spacing is not None:
        grid = _respaced(grid, _per_axis("spacing", spacing, minimum=1e-6))
    shape = grid.spatial_shape
    if spatial_shape is not None:
        requested = _per_axis("spatial_shape", spatial_shape, minimum=-1)
        if 0 in requested:
            raise ValueError(f"expected spatial_shape entries >= 1, or -1, got {spatial_shape}")
        shape = [old if new == -1 else int(new) for old, new in zip(shape, requested, strict=True)]
    multiples = _per_axis("divisible_by", divisible_by, minimum=1)
    shape = [-(-size // int(k)) * int(k) for size, k in zip(shape, multiples, strict=True)]
    return _cropped_or_padded(grid, shape)


def _per_axis(name: str, value: float | Sequence[float], minimum: float) -> list[float]:
    entries = [value] * 3 if np.isscalar(value) else list(value)
    if len(entries) != 3 or any(not np.isfinite(entry) or entry < minimum for entry in entries):
        raise ValueError(f"expected one or three numbers >= {minimum:g} for {name}, got {value}")
    return entries


def _closest_to_ras(grid: Grid) -> Grid:
    orientation = nib.io_orientation(grid.affine.numpy())
    permuted = nib.orientations.inv_ornt_aff(orientation, grid.spatial_shape)
    spatial_shape = np.empty(3, dtype=int)
    spatial_shape[orientation[:, 0].astype(int)] = grid.spatial_shape
    return Grid(tuple(spatial_shape), grid.affine @ torch.from_numpy(permuted))


def _respaced(grid: Grid, spacing: Sequence[float]) -> Grid:
    factors = torch.tensor(spacing, dtype=torch.float64) / torch.tensor(grid.spacing, dtype=torch.float64)
    old = torch.tensor(grid.spatial_shape, dtype=torch.float64)
    # The tolerance of a thousandth of a voxel keeps rounded spacings (0.9999 mm) from adding a voxel.
    new = torch.ceil(old / factors - 1e-3).clamp(min=1)
    affine = grid.affine.clone()
    affine[:3, :3] *= factors
    affine[:3, 3] += grid.affine[:3, :3] @ ((old - 1) / 2) - affine[:3, :3] @ ((new - 1) / 2)
    return Grid(tuple(new.int().tolist()), affine)


def _cropped_or_padded(grid: Grid, spatial_shape: Sequence[int]) -> Grid:
    first = [(old - new) // 2 for old, new in zip(grid.spatial_shape, spatial_shape, strict=True)]
    affine = grid.affine.clone()
    affine[:3, 3] = grid.voxel_to_world(torch.tensor(first))
    return Grid(tuple(spatial_shape), affine)
