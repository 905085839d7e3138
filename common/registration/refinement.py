"""Refinement of one pair: instance optimization from coarse to fine, after a bundle's prediction or alone."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from monai.data import MetaTensor

from ..fields.grid import identity_grid, sample
from ..fields.resize import resize
from ..fields.shrink import resample_smoothly
from ..fields.world import Grid, network_grid
from ..fields.world_field import ddf_to_field_mm, field_mm_to_ddf, resample
from ..losses.regularization import regularization
from ..losses.similarity import dissimilarity
from ..solvers.instance import optimize_field
from ..transforms.mind import mind_ssc
from .alignment import aligned

MAX_VOXELS = 3_000_000  # of the finest level; one iteration then takes seconds on a CPU
MIN_SIZE = 8  # voxels of the shortest axis that a coarser level must keep
NUM_INTEGRATION_STEPS = 5  # squarings; exact to a tenth of a voxel for velocities of 10 voxels
MARGIN_SHARE = 0.125  # of the moving image beyond the border of the fixed one that stays in reach


@dataclass(frozen=True)
class Refinement:
    """Settings of a refinement.

    Args:
        num_iterations: steps of Adam on each level.
        similarity: "mind" compares MIND-SSC descriptors; else a name that
            :func:`~common.losses.similarity.dissimilarity` knows.
        regularization: "diffusion" or "bending".
        weight: of the regularization.
        learning_rate: voxels of the level.
        control_spacing: distance of control points, voxels of the level.
        velocity: optimize a stationary velocity, whose map does not fold, in place of displacements.
        num_levels: image resolutions, each half as fine as the next.
        spacing_mm: voxel size of the finest level; 0 takes the fixed image's, or what keeps it below
            three million voxels.
    """

    num_iterations: int = 50
    similarity: str = "lncc"
    regularization: str = "diffusion"
    weight: float = 0.5
    learning_rate: float = 0.2
    control_spacing: int = 4
    velocity: bool = True
    num_levels: int = 3
    spacing_mm: float = 0.0

    def __post_init__(self):
        if self.num_iterations < 1 or self.num_levels < 1 or self.weight < 0 or self.spacing_mm < 0:
            raise ValueError(
                "refinement: expected num_iterations and num_levels ≥ 1, weight and spacing_mm ≥ 0, got"
                f" {self.num_iterations}, {self.num_levels}, {self.weight} and {self.spacing_mm}"
            )
        image_term(self.similarity)
        regularization(self.regularization)


def image_term(name: str) -> tuple[Callable, Callable]:
    """What is compared, as a function of an image (1, 1, *spatial) in [0, 1], and how, a function of (warped, fixed).

    Example:
        >>> describe, compare = image_term("mse")
        >>> compare(describe(torch.ones(1, 1, 4, 4, 4)), torch.zeros(1, 1, 4, 4, 4)).item()
        1.0
    """
    if name == "mind":
        return mind_ssc, torch.nn.MSELoss()
    return torch.nn.Identity(), dissimilarity(name)


def refine(
    fixed: MetaTensor,
    moving: MetaTensor,
    field_mm: torch.Tensor | None,
    settings: Refinement,
    device: torch.device | str = "cpu",
    on_iteration: Callable[[int, int, float], None] | None = None,
) -> torch.Tensor:
    """Improve a field from coarse to fine: min over u of dissimilarity(moving ∘ (id + u), fixed) + weight · penalty(u).

    Both images are read from their own grids once per level. Where the moving image ends, nothing is compared.

    Args:
        fixed: (1, X, Y, Z).
        moving: (1, X', Y', Z'), its affine such that its world is about that of ``fixed``.
        field_mm: (3, X, Y, Z), RAS mm, on the grid of ``fixed``; None stands for zero.
        settings: see :class:`Refinement`.
        device: where to compute.
        on_iteration: called with level, iteration and loss.

    Returns:
        (3, X, Y, Z), RAS mm, on the grid of ``fixed``.

    Raises:
        ValueError: where the loss is not finite.
    """
    fixed_grid = Grid.from_image(fixed)
    grids = level_grids(fixed_grid, settings)
    ddf, shift = torch.zeros(3, *grids[0].spatial_shape), torch.eye(4, dtype=torch.float64)
    if field_mm is not None:
        # What all voxels share goes into the alignment, so that the moving image is read where it is needed.
        shift[:3, 3] = field_mm.mean(dim=(1, 2, 3))
        moving = aligned(moving, shift)
        rest = resample(field_mm, fixed_grid, grids[0], background=None) - shift[:3, 3].view(3, 1, 1, 1).float()
        ddf = field_mm_to_ddf(rest, grids[0])
    ddf = ddf[None].to(device)
    for level, grid in enumerate(grids):
        ddf = resize(ddf, list(grid.spatial_shape))
        ddf = optimize_field(
            ddf,
            _loss(fixed, moving, grid, settings, device),
            num_iterations=settings.num_iterations,
            learning_rate=settings.learning_rate,
            control_spacing=settings.control_spacing,
            velocity=settings.velocity,
            num_integration_steps=NUM_INTEGRATION_STEPS,
            on_iteration=None if on_iteration is None else lambda i, loss, level=level: on_iteration(level, i, loss),
        )
    refined = ddf_to_field_mm(ddf[0].cpu(), grids[-1], fixed_grid)
    return refined.add_(shift[:3, 3].view(3, 1, 1, 1).float())


def level_grids(fixed: Grid, settings: Refinement) -> list[Grid]:
    """Grids from coarse to fine, close to RAS; all have the outermost voxel centers of the finest.

    Args:
        fixed: grid of the fixed image.
        settings: their number and the finest voxel size.

    Returns:
        At most ``num_levels`` grids; a level whose shortest axis would fall below 8 voxels is left out.

    Example:
        >>> [grid.spatial_shape for grid in level_grids(Grid((35, 50, 36), torch.eye(4)), Refinement(num_levels=4))]
        [(9, 12, 9), (18, 25, 18), (35, 50, 36)]
    """
    spacing = settings.spacing_mm or _affordable_spacing(fixed)
    finest = network_grid(fixed, spacing=spacing)
    grids = [finest]
    for level in range(1, settings.num_levels):
        shape = [max(round(size / 2**level), 1) for size in finest.spatial_shape]
        if min(shape) < MIN_SIZE:
            break
        grids.insert(0, _with_shape(finest, shape))
    return grids


def _affordable_spacing(fixed: Grid) -> list[float]:
    own = network_grid(fixed)
    voxels = torch.tensor(own.spatial_shape).double().prod().item()
    volume = voxels * torch.tensor(own.spacing).double().prod().item()
    least = (volume / MAX_VOXELS) ** (1 / 3) if voxels > MAX_VOXELS else 0.0
    return [max(size, least) for size in own.spacing]


def _with_shape(grid: Grid, spatial_shape: list[int]) -> Grid:
    """Grid with the same outermost voxel centers, as :func:`~common.fields.resize.resize` has it."""
    factors = [(old - 1) / max(new - 1, 1) for old, new in zip(grid.spatial_shape, spatial_shape, strict=True)]
    return Grid(tuple(spatial_shape), grid.affine @ torch.diag(torch.tensor([*factors, 1.0], dtype=torch.float64)))


def _loss(
    fixed: MetaTensor, moving: MetaTensor, grid: Grid, settings: Refinement, device: torch.device | str
) -> Callable[[torch.Tensor], torch.Tensor]:
    """Loss of a ddf on one level."""
    margin = [max(2, round(MARGIN_SHARE * size)) for size in grid.spatial_shape]
    wide = network_grid(grid, spatial_shape=[size + 2 * m for size, m in zip(grid.spatial_shape, margin, strict=True)])
    describe, compare = image_term(settings.similarity)
    fixed_image, moving_image = (
        describe(_unit_range(image, target).to(device)) for image, target in ((fixed, grid), (moving, wide))
    )
    inside = resample(torch.ones(1, *moving.shape[1:]), Grid.from_image(moving), wide)[None].to(device)
    penalty = regularization(settings.regularization)
    identity = identity_grid(list(grid.spatial_shape), device=device)
    identity += torch.tensor(margin, device=device).view(3, 1, 1, 1)

    def loss(ddf: torch.Tensor) -> torch.Tensor:
        coordinates = identity + ddf
        warped = sample(moving_image, coordinates)
        with torch.no_grad():
            weight = sample(inside, coordinates)
        # Outside the moving image the fixed one stands in for it, so that nothing pulls there.
        warped = weight * warped + (1 - weight) * fixed_image
        return compare(warped, fixed_image) + settings.weight * penalty(ddf)

    return loss


def _unit_range(image: MetaTensor, target: Grid) -> torch.Tensor:
    """Image on a level, (1, 1, *spatial), its 1st to 99th percentile brought to [0, 1] and the rest clipped."""
    level = resample_smoothly(image.as_tensor(), Grid.from_image(image), target)
    voxels = image.as_tensor().flatten()
    low, high = voxels[:: 1 + voxels.numel() // 1_000_000].float().quantile(torch.tensor([0.01, 0.99]))
    if high <= low:
        low, high = image.min(), image.max()
    return ((level - low) / (high - low)).clamp(0, 1)[None]
