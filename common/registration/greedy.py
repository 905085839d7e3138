"""Refinement by the greedy solver, and how much of it an intent asks for."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from monai.data import MetaTensor

from ..solvers.force_sum import FieldForce
from ..solvers.greedy import greedy_field
from ..solvers.greedy_settings import SIMILARITIES, Greedy
from ..solvers.label_force import LabelForce
from ..solvers.point_force import PointForce
from ..words import one_of
from ..world.grid import Grid
from ..world.maps import invert_field_mm
from ..world.resample import resample
from .both_directions import mean_of_directions
from .features import Features
from .guidance import NO_GUIDANCE, Guidance
from .levels import MAX_VOXELS, LevelPair, coarse_to_fine, level_grids, with_margin

AUTO = "auto"  # the similarity that suits the pair, see contrast.py
FEATURES = "features"  # the similarity that a bundle's network gives
DESCRIBED = ("mind", FEATURES)  # similarities that compare descriptors
FAST_VOXELS = 1_000_000  # of the finest level of "fast", at most; the others do no less on images below
# Fluid and elastic; descriptors are rougher than intensities.
SMOOTHNESS = {"mind": (5.0, 1.0), FEATURES: (4.0, 1.2)}


@dataclass(frozen=True)
class GreedyRefinement:
    """Settings of a refinement by :func:`~common.solvers.greedy.greedy_field`.

    Args:
        num_iterations: on each level, at most; a level ends when the similarity no longer rises.
        similarity: "lncc" for one contrast, "mind" for any two, "mse" for equal intensities, "features" for those of
            a bundle; "auto" lets a registrar choose.
        num_levels: image resolutions, each half as fine as the next.
        spacing_mm: voxel size of the finest level; 0 takes the fixed image's, or what keeps it below ``max_voxels``.
        finest_iterations: on the finest level, at most; 0 for as many as on the others.
        described_iterations: the same where descriptors are compared, whose finest details are mostly noise, of a
            finest level that is not the only one; 0 for ``finest_iterations``.
        few_voxels: a finest level with no more has as many iterations as the others, which cost little there.
        max_voxels: of the finest level.
        fluid: smoothness of updates, voxels of the level; 0 for what suits the similarity.
        elastic: smoothness of the field, voxels of the level; 0 for what suits the similarity.
        label_weight: of the force between label maps of both images; 0 leaves them to the scores.
        point_weight: of the force between landmarks of both images; 0 leaves them to the scores.
        both_directions: whether images that are compared themselves, not by descriptors, are registered from either
            one to the other, see :mod:`.both_directions`. Errors of descriptors are the same in both directions.

    Raises:
        ValueError: for a number out of range.
    """

    num_iterations: int = 50
    similarity: str = "lncc"
    num_levels: int = 3
    spacing_mm: float = 0.0
    finest_iterations: int = 0
    described_iterations: int = 0
    few_voxels: int = 0
    max_voxels: int = MAX_VOXELS
    fluid: float = 0.0
    elastic: float = 0.0
    label_weight: float = 0.0
    point_weight: float = 0.0
    both_directions: bool = False

    def __post_init__(self) -> None:
        if min(self.label_weight, self.point_weight) < 0:
            raise ValueError(
                f"refinement: expected label_weight and point_weight ≥ 0, got {self.label_weight} and"
                f" {self.point_weight}"
            )
        least = min(self.spacing_mm, self.finest_iterations, self.described_iterations)
        if min(self.num_iterations, self.num_levels) < 1 or least < 0:
            raise ValueError(
                "refinement: expected num_iterations and num_levels ≥ 1, spacing_mm, finest_iterations and"
                f" described_iterations ≥ 0, got {self.num_iterations}, {self.num_levels}, {self.spacing_mm},"
                f" {self.finest_iterations} and {self.described_iterations}"
            )
        if self.similarity != AUTO:
            self.solver  # noqa: B018 (its own numbers are checked as well)

    @property
    def solver(self) -> Greedy:
        """Settings of the solver on each level."""
        fluid, elastic = SMOOTHNESS.get(self.similarity, (Greedy.fluid, Greedy.elastic))
        return Greedy(self.similarity, fluid=self.fluid or fluid, elastic=self.elastic or elastic)

    @property
    def num_directions(self) -> int:
        """1, or 2 where the pair is registered in both directions."""
        return 2 if self.both_directions and self.similarity not in DESCRIBED else 1

    def grids(self, fixed: Grid) -> list[Grid]:
        """Grids of the levels over the fixed image's, see :func:`~.levels.level_grids`."""
        return level_grids(fixed, self.num_levels, self.spacing_mm, self.max_voxels)

    def iterations(self, grids: Sequence[Grid]) -> list[int]:
        """Iterations on each level, at most.

        Example:
            >>> settings = GreedyRefinement(60, finest_iterations=15, few_voxels=1000)
            >>> [settings.iterations([Grid((8, 8, size), torch.eye(4))]) for size in (8, 16)]
            [[60], [15]]
        """
        finest = self.finest_iterations
        if self.similarity in DESCRIBED and len(grids) > 1:
            finest = self.described_iterations or finest
        if not finest or math.prod(grids[-1].spatial_shape) <= self.few_voxels:
            finest = self.num_iterations
        return [self.num_iterations] * (len(grids) - 1) + [finest]


EFFORTS = {
    "fast": GreedyRefinement(60, max_voxels=FAST_VOXELS, finest_iterations=20, few_voxels=500_000),
    "normal": GreedyRefinement(
        60, max_voxels=8_000_000, finest_iterations=10, described_iterations=3, few_voxels=FAST_VOXELS
    ),
    "best": GreedyRefinement(
        60,
        num_levels=4,
        max_voxels=8_000_000,
        finest_iterations=20,
        described_iterations=3,
        few_voxels=FAST_VOXELS,
        both_directions=True,
    ),
}


def refinement_of(effort: str, similarity: str = "lncc") -> GreedyRefinement | None:
    """What an intent asks for: "fast", "normal" or "best"; None for "none".

    Raises:
        ValueError: for another effort, or a similarity that the greedy solver does not have.

    Example:
        >>> refinement_of("fast", "mind").similarity
        'mind'
    """
    one_of("effort", effort, ("none", *EFFORTS))
    one_of("similarity", similarity, (AUTO, *SIMILARITIES))
    return replace(EFFORTS[effort], similarity=similarity) if effort != "none" else None


def refine_greedily(
    fixed: MetaTensor,
    moving: MetaTensor,
    field_mm: torch.Tensor | None,
    settings: GreedyRefinement,
    device: torch.device | str = "cpu",
    on_iteration: Callable[[int, int, float], None] | None = None,
    guidance: Guidance = NO_GUIDANCE,
    features: Features | None = None,
) -> torch.Tensor:
    """Improve a field from coarse to fine by greedy diffeomorphic steps.

    Beyond the end of the moving image, and where a mask is 0, nothing is compared. With ``both_directions`` the result
    is a mean with the inverse of the field from the moving to the fixed image.

    Args:
        fixed: (1, X, Y, Z).
        moving: (1, X', Y', Z'), its affine such that its world is about that of ``fixed``.
        field_mm: (3, X, Y, Z), RAS mm, on the grid of ``fixed``; None stands for zero.
        settings: see :class:`GreedyRefinement`.
        device: where to compute.
        on_iteration: called with level, iteration and similarity.
        guidance: masks, labels and landmarks that take part, the moving ones in the world of ``moving``.
        features: what the similarity "features" compares.

    Returns:
        (3, X, Y, Z), RAS mm, on the grid of ``fixed``.

    Raises:
        ValueError: where the similarity is not finite.
    """
    there = _one_way(fixed, moving, field_mm, settings, device, on_iteration, guidance, features)
    if settings.num_directions == 1:
        return there
    images = Grid.from_image(fixed), Grid.from_image(moving)
    start = None if field_mm is None else invert_field_mm(field_mm, *images)
    num_levels = len(settings.grids(images[0]))
    told = None if on_iteration is None else lambda level, *rest: on_iteration(num_levels + level, *rest)
    back = _one_way(moving, fixed, start, settings, device, told, guidance.exchanged, features)
    return mean_of_directions(there.cpu(), images[0], back.cpu(), images[1])


def _one_way(
    fixed: MetaTensor,
    moving: MetaTensor,
    field_mm: torch.Tensor | None,
    settings: GreedyRefinement,
    device: torch.device | str,
    on_iteration: Callable[[int, int, float], None] | None,
    guidance: Guidance,
    features: Features | None,
) -> torch.Tensor:
    """:func:`refine_greedily` in one direction."""
    grids = settings.grids(Grid.from_image(fixed))
    iterations = settings.iterations(grids)

    def improve(level: int, pair: LevelPair, ddf: torch.Tensor) -> torch.Tensor:
        return greedy_field(
            ddf,
            pair.fixed,
            pair.moving,
            iterations[level],
            settings.solver,
            to_moving=pair.to_moving,
            inside=pair.inside,
            masks=(pair.fixed_mask, pair.moving_mask),
            others=_forces(pair, settings),
            features=None if features is None else features.full,
            on_iteration=None if on_iteration is None else lambda i, value: on_iteration(level, i, value),
        )

    with torch.no_grad():
        # Descriptors depend on the axes along which they compare.
        keeps_lattice = settings.similarity not in DESCRIBED
        return coarse_to_fine(fixed, moving, field_mm, grids, improve, device, guidance, keeps_lattice)


def _forces(pair: LevelPair, settings: GreedyRefinement) -> list[tuple[float, FieldForce]]:
    """Forces of labels and landmarks on a level, with their weights."""
    forces: list[tuple[float, FieldForce]] = []
    labels, points = pair.guidance.labels, pair.guidance.points
    if labels is not None:
        grids = pair.grids[0], with_margin(pair.grids[0])
        maps = [
            resample(label.as_tensor(), Grid.from_image(label), grid, mode="nearest")[None].to(pair.fixed.device)
            for label, grid in zip(labels, grids, strict=True)
        ]
        origin = grids[1].world_to_voxel(grids[0].voxel_to_world(torch.zeros(3))).float()
        forces.append((settings.label_weight, LabelForce(*maps, origin)))
    if points is not None:
        places = [pair.grids[0].world_to_voxel(points_mm) for points_mm in points]
        forces.append((settings.point_weight, PointForce(*places, settings.solver.fluid)))
    return forces
