"""Coarser versions of an image without aliasing."""

import torch
import torch.nn.functional as F

from .world import Grid
from .world_field import resample


def shrink(image: torch.Tensor, grid: Grid, spacing_mm: float) -> tuple[torch.Tensor, Grid]:
    """Average whole voxels as long as they do not get larger than a given size: no aliasing, no interpolation.

    Args:
        image: (C, X, Y, Z).
        grid: grid of ``image``.
        spacing_mm: voxel size that no axis exceeds, unless it does already.

    Returns:
        The image, (C, X', Y', Z'), float32, and its grid; blocks at the far border may hold fewer voxels.

    Example:
        >>> image, grid = shrink(torch.arange(4.0).view(1, 4, 1, 1), Grid((4, 1, 1), torch.eye(4)), 2.0)
        >>> image.flatten().tolist(), grid.spatial_shape, grid.affine[0, 3].item()
        ([0.5, 2.5], (2, 1, 1), 0.5)
    """
    factors = [
        max(1, min(size, int(spacing_mm / own + 1e-3)))
        for size, own in zip(grid.spatial_shape, grid.spacing, strict=True)
    ]
    image = torch.as_tensor(image).float()
    if max(factors) == 1:
        return image, grid
    pooled = F.avg_pool3d(image[None], factors, ceil_mode=True)[0]
    scale = torch.diag(torch.tensor([*factors, 1.0], dtype=torch.float64))
    scale[:3, 3] = (torch.tensor(factors, dtype=torch.float64) - 1) / 2
    return pooled, Grid(tuple(pooled.shape[1:]), grid.affine @ scale)


def resample_smoothly(image: torch.Tensor, source: Grid, target: Grid, background: float | None = None) -> torch.Tensor:
    """Interpolate an image on another grid, after averaging it to about the voxel size of that grid.

    Args:
        image: (C, X, Y, Z).
        source: grid of ``image``.
        target: grid of the result.
        background: value outside the image; None repeats its border voxels.

    Returns:
        (C, *target.spatial_shape), float32.

    Example:
        >>> target = Grid((2, 1, 1), torch.diag(torch.tensor([2.0, 2.0, 2.0, 1.0])))
        >>> image = torch.arange(4.0).view(1, 4, 1, 1)
        >>> resample_smoothly(image, Grid((4, 1, 1), torch.eye(4)), target).flatten().tolist()
        [0.5, 2.0]
    """
    shrunk, grid = shrink(image, source, min(target.spacing))
    return resample(shrunk, grid, target, background=background)
