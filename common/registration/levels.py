"""A pair of images on grids from coarse to fine, and a field that is handed from one to the next."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from monai.data import MetaTensor

from ..fields.ddf import resize
from ..fields.masked_mean import filled, masked_mean
from ..fields.sampling import identity_grid, sample
from ..quantiles import object_range
from ..world.alignment import aligned
from ..world.grid import Grid
from ..world.network_grid import network_grid
from ..world.resample import ddf_to_field_mm, field_mm_to_ddf, resample, resample_smoothly
from .guidance import NO_GUIDANCE, Guidance

MAX_VOXELS = 3_000_000  # of the finest level; one iteration then takes seconds on a CPU
MIN_SIZE = 8  # voxels of the shortest axis that a coarser level must keep
MARGIN_SHARE = 0.125  # of the moving image beyond the border of the fixed one that stays in reach
END = 8  # voxels beyond the end of the moving image that its own lattice keeps
SAME_AXES = 0.97  # cosine of the angle up to which axes of two lattices count as the same, 14°


def level_grids(fixed: Grid, num_levels: int = 3, spacing_mm: float = 0.0, max_voxels: int = MAX_VOXELS) -> list[Grid]:
    """Grids from coarse to fine, close to RAS; all have the outermost voxel centers of the finest.

    Args:
        fixed: grid of the fixed image.
        num_levels: each has half as many voxels per axis as the next.
        spacing_mm: finest voxel size; 0 takes the fixed image's, or what keeps it below ``max_voxels``.
        max_voxels: see ``spacing_mm``.

    Returns:
        At most ``num_levels`` grids; a level whose shortest axis would fall below 8 voxels is left out.

    Example:
        >>> [grid.spatial_shape for grid in level_grids(Grid((35, 50, 36), torch.eye(4)), num_levels=4)]
        [(9, 12, 9), (18, 25, 18), (35, 50, 36)]
    """
    finest = network_grid(fixed, spacing=spacing_mm or _affordable_spacing(fixed, max_voxels))
    grids = [finest]
    for level in range(1, num_levels):
        shape = [max(round(size / 2**level), 1) for size in finest.spatial_shape]
        if min(shape) < MIN_SIZE:
            break
        grids.insert(0, finest.with_shape(shape))
    return grids


@dataclass(frozen=True)
class LevelPair:
    """Both images on one level.

    Attributes:
        fixed: (1, C, *spatial).
        moving: (1, C, *wider), with a margin beyond the fixed image.
        inside: (1, 1, *wider), 1 where the moving image has voxels, 0 where it ends.
        grids: of the two volumes.
        fixed_mask: (1, 1, *spatial), share of each voxel that may be compared; None where there is no mask.
        moving_mask: (1, 1, *wider), the same of the moving image.
        guidance: what else is known, in the worlds of ``grids``.
    """

    fixed: torch.Tensor
    moving: torch.Tensor
    inside: torch.Tensor
    grids: tuple[Grid, Grid]
    fixed_mask: torch.Tensor | None = None
    moving_mask: torch.Tensor | None = None
    guidance: Guidance = NO_GUIDANCE

    @classmethod
    def read(
        cls,
        fixed: MetaTensor,
        moving: MetaTensor,
        grid: Grid,
        guidance: Guidance = NO_GUIDANCE,
        device: str = "cpu",
        keeps_lattice: bool = False,
    ) -> "LevelPair":
        """Resample both from their own grids, intensities brought to [0, 1].

        Args:
            fixed: (1, X, Y, Z).
            moving: (1, X', Y', Z').
            grid: of the level.
            guidance: masks, labels and landmarks.
            device: where to put the volumes.
            keeps_lattice: whether the moving image stays on voxels of its own, see :func:`own_lattice`: it is not
                blurred by one interpolation more. Else it gets those of the level.
        """
        own = Grid.from_image(moving)
        wide = with_margin(grid)
        lattice = own_lattice(own, wide) if keeps_lattice else wide
        inside = resample(torch.ones(1, *moving.shape[1:]), own, lattice)[None]
        fixed_image, fixed_mask = _unit_range(fixed, grid, guidance.fixed_mask)
        moving_image, moving_mask = _unit_range(moving, lattice, guidance.moving_mask)
        volumes = [volume.to(device) for volume in (fixed_image, moving_image, inside)]
        masks = [None if mask is None else mask.to(device) for mask in (fixed_mask, moving_mask)]
        return cls(*volumes, (grid, lattice), *masks, guidance)

    @property
    def to_moving(self) -> torch.Tensor:
        """From voxels of the fixed image to those of the moving one, (3, 4)."""
        grid, lattice = self.grids
        return (torch.linalg.inv(lattice.affine) @ grid.affine)[:3].float()

    @property
    def shift(self) -> torch.Tensor:
        """Place of the fixed image's first voxel in the moving one where that has voxels of the level, (3,).

        Raises:
            ValueError: where the moving image keeps its own lattice.
        """
        linear, shift = self.to_moving.split([3, 1], dim=1)
        if not torch.allclose(linear, torch.eye(3), atol=1e-4):
            raise ValueError("expected the moving image on voxels of the level, got it on its own")
        return shift[:, 0]

    def described(self, describe: Callable[[torch.Tensor], torch.Tensor]) -> "LevelPair":
        """The pair with ``describe`` of both images in their place."""
        return replace(self, fixed=describe(self.fixed), moving=describe(self.moving))

    def warped(self, ddf: torch.Tensor) -> torch.Tensor:
        """Moving image under a ddf (1, 3, *spatial): (1, C, *spatial).

        Where it ends or is masked, and where the fixed one is masked, that stands in.
        """
        coordinates = self._coordinates(ddf)
        with torch.no_grad():
            visible = self.visible(ddf)
            weight = sample(self.inside, coordinates)
            weight = weight if visible is None else weight * visible
        return weight * sample(self.moving, coordinates) + (1 - weight) * self.fixed

    def visible(self, ddf: torch.Tensor) -> torch.Tensor | None:
        """Share of each voxel that both masks let be compared under a ddf, (1, 1, *spatial); None without masks."""
        if self.moving_mask is None:
            return self.fixed_mask
        share = sample(self.moving_mask, self._coordinates(ddf))
        return share if self.fixed_mask is None else share * self.fixed_mask

    def _coordinates(self, ddf: torch.Tensor) -> torch.Tensor:
        identity = identity_grid(list(ddf.shape[2:]), device=ddf.device)
        return identity + self.shift.to(ddf).view(3, 1, 1, 1) + ddf


def coarse_to_fine(
    fixed: MetaTensor,
    moving: MetaTensor,
    field_mm: torch.Tensor | None,
    grids: Sequence[Grid],
    improve: Callable[[int, LevelPair, torch.Tensor], torch.Tensor],
    device: torch.device | str = "cpu",
    guidance: Guidance = NO_GUIDANCE,
    keeps_lattice: bool = False,
) -> torch.Tensor:
    """Let ``improve`` work on a field on each of some grids in turn.

    Both images are read from their own grids once per level.

    Args:
        fixed: (1, X, Y, Z).
        moving: (1, X', Y', Z'), its affine such that its world is about that of ``fixed``.
        field_mm: (3, X, Y, Z), RAS mm, on the grid of ``fixed``; None stands for zero.
        grids: of the levels.
        improve: maps the number of the level, the images and a ddf (1, 3, *spatial) in voxels to a better ddf.
        device: where to compute.
        guidance: masks, labels and landmarks, the moving ones in the world of ``moving``.
        keeps_lattice: see :meth:`LevelPair.read`.

    Returns:
        (3, X, Y, Z), RAS mm, on the grid of ``fixed``.
    """
    fixed_grid = Grid.from_image(fixed)
    ddf, shift = torch.zeros(3, *grids[0].spatial_shape), torch.eye(4, dtype=torch.float64)
    if field_mm is not None:
        # What all voxels share goes into the alignment, so that the moving image is read where it is needed.
        shift[:3, 3] = field_mm.mean(dim=(1, 2, 3))
        moving, guidance = aligned(moving, shift), guidance.aligned(shift)
        rest = resample(field_mm, fixed_grid, grids[0], background=None) - shift[:3, 3].view(3, 1, 1, 1).float()
        ddf = field_mm_to_ddf(rest, grids[0])
    ddf = ddf[None].to(device)
    for level, grid in enumerate(grids):
        ddf = resize(ddf, list(grid.spatial_shape))
        ddf = improve(level, LevelPair.read(fixed, moving, grid, guidance, device, keeps_lattice), ddf)
    improved = ddf_to_field_mm(ddf[0].cpu(), grids[-1], fixed_grid)
    return improved.add_(shift[:3, 3].view(3, 1, 1, 1).float())


def own_lattice(moving: Grid, wide: Grid) -> Grid:
    """The moving image's voxels that lie in a grid, where they are larger averaged to the size of those.

    Its axes are those closest to RAS. Images that lie askew, whose axes are others, get the grid itself.

    Args:
        moving: grid of the image.
        wide: of a level, with the margin that stays in reach.

    Example:
        >>> affine = torch.eye(4)
        >>> affine[0, 3] = 0.25
        >>> lattice = own_lattice(Grid((10, 10, 10), affine), Grid((6, 6, 6), torch.eye(4)))
        >>> lattice.spatial_shape, lattice.affine[0, 3].item()
        ((7, 6, 6), -0.75)
    """
    spacing = [max(sizes) for sizes in zip(network_grid(moving).spacing, wide.spacing, strict=True)]
    lattice = network_grid(moving, spacing=spacing)
    axes = [grid.affine[:3, :3] / grid.affine[:3, :3].norm(dim=0) for grid in (lattice, wide)]
    if (axes[0] * axes[1]).sum(dim=0).min() < SAME_AXES:
        return wide
    corners = lattice.world_to_voxel(wide.corners)
    last = torch.tensor(lattice.spatial_shape) - 1
    low = corners.amin(dim=0).round(decimals=3).floor().clamp(min=-END).minimum(last)
    high = corners.amax(dim=0).round(decimals=3).ceil().minimum(last + END).maximum(low)
    affine = lattice.affine.clone()
    affine[:3, 3] = lattice.voxel_to_world(low)
    return Grid(tuple((high - low + 1).int().tolist()), affine)


def with_margin(grid: Grid) -> Grid:
    """A level's grid with what stays in reach beyond its border.

    Example:
        >>> with_margin(Grid((16, 8, 8), torch.eye(4))).spatial_shape
        (20, 12, 12)
    """
    shape = [size + 2 * max(2, round(MARGIN_SHARE * size)) for size in grid.spatial_shape]
    return network_grid(grid, spatial_shape=shape)


def _affordable_spacing(fixed: Grid, max_voxels: int) -> list[float]:
    own = network_grid(fixed)
    voxels = torch.tensor(own.spatial_shape).double().prod().item()
    volume = voxels * torch.tensor(own.spacing).double().prod().item()
    least = (volume / max_voxels) ** (1 / 3) if voxels > max_voxels else 0.0
    return [max(size, least) for size in own.spacing]


def _unit_range(image: MetaTensor, target: Grid, mask: MetaTensor | None) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Image on a level, (1, 1, *spatial), filled outside of the mask, and the share of each voxel that is in it.

    The 1st to 99th percentile of the object is brought to [0, 1] and the rest clipped.
    """
    volume = image.as_tensor().float()
    average = partial(resample_smoothly, source=Grid.from_image(image), target=target)
    if mask is None:
        level, share, inside = average(volume), None, None
    else:
        level, share = masked_mean(volume, mask.as_tensor(), average)
        level, share, inside = filled(level, share), share[None], mask.as_tensor() > 0.5
    low, high = object_range(volume, (0.01, 0.99), inside)
    return ((level - low) / (high - low)).clamp(0, 1)[None], share
