"""Label maps through a field: every fixed voxel asks the eight moving voxels around its place."""

from itertools import product

import torch

from .grid import Grid, grid_points, slabs

TIE = 1e-5  # shares that differ by less are equal


def warp_labels(labels: torch.Tensor, own: Grid, field_mm: torch.Tensor, grid: Grid) -> torch.Tensor:
    """The label whose linearly interpolated mask is largest: argmax over n of Σ_c w_c [l_c = n].

    The sum goes over the eight voxels c around the place to which the field leads, w_c are the weights of linear
    interpolation. Of equal shares the lowest number wins. Outlines are smoother than those of the nearest voxel. The
    time is that of one label.

    Args:
        labels: (1, X', Y', Z'), integers or whole numbers.
        own: grid of ``labels``.
        field_mm: (3, X, Y, Z), RAS mm.
        grid: grid of the field and of the result.

    Returns:
        (1, X, Y, Z), dtype of ``labels``; 0 outside.

    Example:
        >>> labels = torch.tensor([0, 3, 3, 9]).view(1, 4, 1, 1)
        >>> field_mm, grid = torch.zeros(3, 4, 1, 1), Grid((4, 1, 1), torch.eye(4))
        >>> field_mm[0] = 0.75
        >>> warp_labels(labels, grid, field_mm, grid).flatten().tolist()
        [3, 3, 9, 9]
    """
    out = labels.new_zeros(grid.spatial_shape)
    for rows in slabs(grid.spatial_shape, voxels=2**18):
        points = grid_points(grid, rows) + field_mm[:, rows].movedim(0, -1)
        numbers, weights = _neighbors(labels[0], own.world_to_voxel(points))
        votes = torch.stack([((numbers == number) * weights).sum(dim=0) for number in numbers])
        best = votes.amax(dim=0)
        is_best = (votes > best - TIE) & (votes > TIE)
        highest = torch.iinfo(torch.int64).max
        winner = numbers.long().masked_fill(~is_best, highest).amin(dim=0)
        out[rows] = torch.where(best > TIE, winner, 0).to(labels.dtype)
    return out[None]


def _neighbors(labels: torch.Tensor, voxels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Labels and weights (8, …) of the voxels around places (…, 3); weight 0 outside."""
    lower = voxels.floor()
    fraction = voxels - lower
    last = torch.tensor(labels.shape) - 1
    numbers, weights = [], []
    for corner in product((0, 1), repeat=3):
        place = lower.long() + torch.tensor(corner)
        is_inside = ((place >= 0) & (place <= last)).all(dim=-1)
        weight = torch.where(torch.tensor(corner) == 1, fraction, 1 - fraction).prod(dim=-1)
        x, y, z = place.clamp(min=torch.zeros(3, dtype=torch.long), max=last).unbind(dim=-1)
        numbers.append(labels[x, y, z])
        weights.append(weight * is_inside)
    return torch.stack(numbers), torch.stack(weights)
