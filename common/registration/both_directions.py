"""A pair registered in both directions: the mean of a field and of the inverse of the one that leads back."""

import torch

from ..fields.smoothing import gaussian_smooth
from ..world.grid import Grid
from ..world.maps import invert_field_mm
from ..world.network_grid import network_grid
from ..world.resample import resample, warp_moving

COARSER = 2.0  # voxels of the fixed image in one of the grid on which the directions are compared
FAR = 1.0  # voxels of the fixed image between the two ends of a point, from which on the directions disagree
TAPER = 2.0  # voxels of that grid over which the way back fades out where it ends or disagrees
SMOOTH = 0.5  # of the change, voxels of that grid


def mean_of_directions(there_mm: torch.Tensor, fixed: Grid, back_mm: torch.Tensor, moving: Grid) -> torch.Tensor:
    """(u + w) / 2 with the field u from the fixed image on, and id + w inverse to the field that leads back.

    What pulls a field towards one of the two images pulls u and w to opposite sides. Where u leaves the moving image
    nothing leads back, and u stays; the farther w is from it, the more it stays as well, since a mean of two different
    maps may fold.

    Args:
        there_mm: u, (3, X, Y, Z), RAS mm.
        fixed: grid of the fixed image, and of u.
        back_mm: displacement from points of the moving to those of the fixed image, (3, X', Y', Z'), RAS mm.
        moving: grid of the moving image.

    Returns:
        (3, X, Y, Z), RAS mm, float32.

    Example:
        >>> grid = Grid((16, 16, 16), torch.eye(4))
        >>> there, back = torch.full((3, 16, 16, 16), 0.2), torch.full((3, 16, 16, 16), -0.4)
        >>> round(mean_of_directions(there, grid, back, grid)[0, 8, 8, 8].item(), 2)
        0.29
    """
    grid = network_grid(fixed, spacing=COARSER * min(fixed.spacing))
    there = resample(there_mm, fixed, grid, background=None)
    inverse = invert_field_mm(back_mm, moving, grid)
    seen = warp_moving(torch.ones(1, *moving.spatial_shape), moving, there, grid)
    # Eroded by its own smoothing, the share is 0 where the moving image has ended.
    share = (2 * gaussian_smooth(seen[None], TAPER)[0] - 1).clamp(min=0)
    difference = inverse - there
    far_mm = FAR * min(fixed.spacing)
    agreement = 1 / (1 + difference.square().sum(dim=0, keepdim=True) / far_mm**2)
    weight = share * gaussian_smooth(agreement[None], TAPER)[0]
    change = gaussian_smooth((weight * difference)[None], SMOOTH)[0] / 2
    return there_mm + resample(change, grid, fixed, background=None)
