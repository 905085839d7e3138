"""A grid without shear for tools that know rotations only."""

from itertools import product

import torch

from .grid import Grid


def unsheared(grid: Grid) -> Grid:
    """The grid of orthogonal axes nearest to those of another, with its voxel sizes at most, that covers its box.

    Args:
        grid: any grid, such as that of a CT under a tilted gantry.

    Example:
        >>> affine = torch.eye(4, dtype=torch.float64)
        >>> affine[1, 2] = 0.5
        >>> grid = unsheared(Grid((4, 4, 5), affine))
        >>> axes = grid.affine[:3, :3]
        >>> torch.allclose(axes.T @ axes, torch.diag((axes**2).sum(dim=0)))
        True
    """
    spacing = torch.tensor(grid.spacing, dtype=torch.float64)
    left, _, right = torch.linalg.svd(grid.affine[:3, :3] / spacing)
    axes = (left @ right) * spacing
    ends = torch.tensor(list(product(*((-0.5, size - 0.5) for size in grid.spatial_shape))))
    places = grid.voxel_to_world(ends) @ torch.linalg.inv(axes).T
    low, high = places.amin(dim=0), places.amax(dim=0)
    affine = torch.eye(4, dtype=torch.float64)
    affine[:3, :3] = axes
    affine[:3, 3] = axes @ (low + 0.5)
    return Grid(tuple((high - low - 1e-6).ceil().int().tolist()), affine)
