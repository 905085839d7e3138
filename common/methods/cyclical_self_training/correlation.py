"""Matching cost of features for a cube of discrete displacements."""

import torch
import torch.nn.functional as F

from ...fields.sampling import at_least_float32
from .smoothing import box_smooth


def displacement_cube(radius: int) -> torch.Tensor:
    """All displacements in {−r, …, r}³ cells: ((2r + 1)³, 3) float32, the last axis runs fastest.

    Example:
        >>> displacement_cube(1)[[0, 1, 13, 26]].tolist()
        [[-1.0, -1.0, -1.0], [-1.0, -1.0, 0.0], [0.0, 0.0, 0.0], [1.0, 1.0, 1.0]]
    """
    steps = torch.arange(-radius, radius + 1, dtype=torch.float32)
    return torch.stack(torch.meshgrid([steps, steps, steps], indexing="ij"), dim=-1).view(-1, 3)


def correlation(fixed: torch.Tensor, moving: torch.Tensor, radius: int, squared: bool = False) -> torch.Tensor:
    """Cost volume C_d(x) = Σ_c |f_c(x) − m_c(x + d)| for d of :func:`displacement_cube`; m is 0 outside its grid.

    Features are brought to channels-last, so that the sum runs over neighbors in memory.

    Args:
        fixed: features, (B, C, *cells), three axes.
        moving: features of the same shape.
        radius: r, cells, less than the number of cells along every axis.
        squared: (f − m)² as in convexAdam in place of |f − m|.

    Returns:
        cost_volume, (B, (2r + 1)³, *cells), at least float32.

    Raises:
        ValueError: for features of different shapes, or a radius that leads off the grid from everywhere.

    Example:
        >>> fixed = torch.rand(1, 4, 5, 6, 7)
        >>> cost_volume = correlation(fixed, fixed, radius=1)
        >>> cost_volume.shape, cost_volume[:, 13].max().item()
        (torch.Size([1, 27, 5, 6, 7]), 0.0)

    Reference:
        Siebert & Heinrich, WBIR 2022; Bigalke et al., MICCAI 2023, section 2.3.1, "a correlation layer that captures
        125 discrete displacements".
    """
    if fixed.dim() != 5 or fixed.shape != moving.shape:
        raise ValueError(
            "expected features of one shape (B, C, X, Y, Z) for fixed and moving, "
            f"got {list(fixed.shape)} and {list(moving.shape)}"
        )
    cells = list(fixed.shape[2:])
    if radius < 0 or radius >= min(cells):
        raise ValueError(
            f"expected a search radius from 0 to {min(cells) - 1} cells on a feature grid of {cells}, got {radius}"
        )
    padded = F.pad(at_least_float32(moving), [radius] * 6).permute(0, 2, 3, 4, 1).contiguous()
    anchor = at_least_float32(fixed).permute(0, 2, 3, 4, 1).contiguous()
    if anchor.is_cuda:
        return _costs_by_planes(anchor, padded, radius, squared)
    return _costs_one_by_one(anchor, padded, radius, squared)


def _costs_one_by_one(anchor: torch.Tensor, padded: torch.Tensor, radius: int, squared: bool) -> torch.Tensor:
    """Cost volume of channels-last features, (B, *cells, C) and that of ``padded``, which stays in a CPU's cache."""
    cells, costs = anchor.shape[1:4], torch.jit.annotate(list[torch.Tensor], [])
    for i in range(2 * radius + 1):
        for j in range(2 * radius + 1):
            for k in range(2 * radius + 1):
                shifted = padded[:, i : i + cells[0], j : j + cells[1], k : k + cells[2]]
                difference = anchor - shifted
                costs.append((difference.square() if squared else difference.abs()).sum(dim=-1))
    return torch.stack(costs, dim=1)


def _costs_by_planes(anchor: torch.Tensor, padded: torch.Tensor, radius: int, squared: bool) -> torch.Tensor:
    """The same with one operation for all displacements along two axes: a GPU is slowed by many small ones."""
    cells, costs = anchor.shape[1:4], torch.jit.annotate(list[torch.Tensor], [])
    windows = padded.unfold(2, cells[1], 1).unfold(3, cells[2], 1)  # (B, X + 2r, 2r + 1, 2r + 1, C, Y, Z)
    anchor = anchor.permute(0, 1, 4, 2, 3)[:, :, None, None]
    for i in range(2 * radius + 1):
        difference = anchor - windows[:, i : i + cells[0]]
        cost = (difference.square() if squared else difference.abs()).sum(dim=4)  # (B, X, 2r + 1, 2r + 1, Y, Z)
        costs.append(cost.permute(0, 2, 3, 1, 4, 5).flatten(1, 2))
    return torch.cat(costs, dim=1)


def smooth_correlation(
    fixed: torch.Tensor,
    moving: torch.Tensor,
    radius: int,
    squared: bool = False,
    num_smoothings: int = 1,
    zero_border: bool = True,
) -> torch.Tensor:
    """:func:`correlation`, its cost averaged over 3 × 3 × 3 cells ``num_smoothings`` times."""
    return box_smooth(correlation(fixed, moving, radius, squared), num_smoothings, zero_border)
