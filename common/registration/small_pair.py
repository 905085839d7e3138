"""A pair on one small grid, on which whole images are compared in a fraction of a second."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from monai.data import MetaTensor

from ..fields.masked_mean import masked_mean
from ..quantiles import robust_range
from ..world.grid import Grid, on_grid
from ..world.network_grid import network_grid
from ..world.resample import resample_smoothly, shrink, warp_moving
from .guidance import NO_GUIDANCE, Guidance

EDGE_VOXELS = 48  # of the longest axis
FOREGROUND = 0.1  # of the range of intensities; what is darker is background
LEAST_SHARE = 0.99  # of a voxel that a mask must let be compared


@dataclass(frozen=True)
class SmallPair:
    """Both images in [0, 1], (1, 1, X, Y, Z), on a grid close to RAS.

    Attributes:
        grid: covers the fixed image.
        fixed: the fixed image.
        moving: the moving image as a map brings it there.
        inside: (1, 1, X, Y, Z), where the moving image has voxels that may be compared.
        mask: (1, 1, X, Y, Z), where the fixed image may be compared; None for everywhere.
    """

    grid: Grid
    fixed: torch.Tensor
    moving: torch.Tensor
    inside: torch.Tensor
    mask: torch.Tensor | None = None

    @classmethod
    def read(
        cls,
        fixed: MetaTensor,
        moving: MetaTensor,
        field_mm: torch.Tensor | None = None,
        guidance: Guidance = NO_GUIDANCE,
    ) -> "SmallPair":
        """Bring a pair onto the small grid.

        Args:
            fixed: (1, X, Y, Z).
            moving: (1, X', Y', Z'), its world about that of ``fixed`` where there is no field.
            field_mm: (3, X, Y, Z), RAS mm, on the grid of ``fixed``; None stands for zero.
            guidance: masks, the moving one in the world of ``moving``.
        """
        native = Grid.from_image(fixed)
        grid = small_grid(native)
        field = torch.zeros(3, *grid.spatial_shape)
        if field_mm is not None:
            field = resample_smoothly(field_mm, native, grid)
        volume, own = shrink(moving.as_tensor(), Grid.from_image(moving), min(grid.spacing))
        warped = warp_moving(volume, own, field, grid, background=None)
        inside = warp_moving(torch.ones_like(volume), own, field, grid) > 0.99
        if guidance.moving_mask is not None:
            share, _ = shrink(guidance.moving_mask.as_tensor(), Grid.from_image(moving), min(grid.spacing))
            inside &= warp_moving(share, own, field, grid, background=None) > LEAST_SHARE
        mask = guidance.fixed_mask
        if mask is not None:
            mask = resample_smoothly(mask.as_tensor(), native, grid)[None] > LEAST_SHARE
        return cls(
            grid,
            _unit_range(fixed, resample_smoothly(fixed.as_tensor(), native, grid)),
            _unit_range(moving, warped),
            inside[None],
            mask,
        )

    @property
    def foreground(self) -> torch.Tensor:
        """Voxels of the fixed image that may be compared and are no background, (1, 1, X, Y, Z)."""
        foreground = self.fixed > FOREGROUND
        return foreground if self.mask is None else foreground & self.mask

    @property
    def shared(self) -> torch.Tensor:
        """Voxels that are background of neither image, where the moving image has voxels, (1, 1, X, Y, Z)."""
        return self.foreground & (self.moving > FOREGROUND) & self.inside


def small_grid(fixed: Grid) -> Grid:
    """Grid of at most 48 voxels along the longest axis, unless the fixed image's voxels are larger.

    Example:
        >>> small_grid(Grid((128, 64, 32), torch.eye(4))).spatial_shape
        (48, 24, 12)
    """
    own = network_grid(fixed)
    least = max(own.edges_mm) / EDGE_VOXELS
    return network_grid(own, spacing=[max(size, least) for size in own.spacing])


def on_small_grid(
    fixed: MetaTensor, moving: MetaTensor, guidance: Guidance = NO_GUIDANCE
) -> tuple[MetaTensor, MetaTensor, Guidance]:
    """Both images and their masks in voxels of about the size of the small grid, each in its own world."""
    native, wide = Grid.from_image(fixed), Grid.from_image(moving)
    grid = small_grid(native)
    small, fixed_mask = _averaged(
        fixed, guidance.fixed_mask, lambda volume: (resample_smoothly(volume, native, grid), grid)
    )
    other, moving_mask = _averaged(moving, guidance.moving_mask, lambda volume: shrink(volume, wide, min(grid.spacing)))
    return small, other, Guidance(fixed_mask, moving_mask)


def _averaged(
    image: MetaTensor, mask: MetaTensor | None, average: Callable[[torch.Tensor], tuple[torch.Tensor, Grid]]
) -> tuple[MetaTensor, MetaTensor | None]:
    """Averages of an image in larger voxels, of those in the mask where there is one, and the share of these."""
    volume, grid = average(image.as_tensor())
    if mask is None:
        return on_grid(volume, grid, like=image), None
    volume, share = masked_mean(image.as_tensor(), mask.as_tensor(), lambda both: average(both)[0])
    return on_grid(volume, grid, like=image), on_grid(share, grid, like=mask)


def _unit_range(image: MetaTensor, volume: torch.Tensor) -> torch.Tensor:
    low, high = robust_range(image.as_tensor().float(), (0.01, 0.99))
    return ((volume - low) / (high - low).clamp(min=1e-12)).clamp(0, 1)[None]
