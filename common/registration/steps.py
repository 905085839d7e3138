"""What brings two images together after their alignment: a discrete search, then a refinement by Adam."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from monai.data import MetaTensor
from torch.nn import functional

from ..fields.ddf import compose
from ..losses.mind import mind_ssc
from ..losses.registration import regularization
from ..losses.similarity import NAMES, dissimilarity
from ..methods.cyclical_self_training.features import MindFeatures
from ..methods.cyclical_self_training.inferer import RefinedInferer
from ..methods.cyclical_self_training.network import ConvexRegistration
from ..solvers.instance import optimize_field
from ..words import one_of
from ..world.grid import Grid
from .features import Features
from .greedy import AUTO, FEATURES, GreedyRefinement
from .guidance import NO_GUIDANCE, Guidance
from .levels import MAX_VOXELS, LevelPair, coarse_to_fine, level_grids

STRIDE = 2  # voxels per cell
CONSISTENCY_ITERATIONS = 15


@dataclass(frozen=True)
class DiscreteSearch:
    """Settings of a search. One pass reaches 2 · ``radius`` voxels of its level along every axis.

    Args:
        num_passes: on each level; every pass registers what the ones before have warped.
        num_levels: image resolutions, each half as fine as the next; more reach farther.
        radius: of the displacements that are tried, in cells of 2 voxels; (2 · radius + 1)³ of them.
        spacing_mm: voxel size of the finest level; 0 takes the fixed image's, or what keeps it below
            three million voxels.
    """

    num_passes: int = 2
    num_levels: int = 1
    radius: int = 2
    spacing_mm: float = 0.0

    def __post_init__(self):
        if min(self.num_passes, self.num_levels, self.radius) < 1 or self.spacing_mm < 0:
            raise ValueError(
                "search: expected num_passes, num_levels and radius ≥ 1 and spacing_mm ≥ 0, got"
                f" {self.num_passes}, {self.num_levels}, {self.radius} and {self.spacing_mm}"
            )


class Matching(ConvexRegistration):
    """The search's network: MIND-SSC descriptors or features, and no cost where images may not be compared.

    Args:
        radius: cells.
        visible: share of each voxel that may be compared, (1, 1, *spatial); None for all.
        features: of a bundle; None for MIND-SSC.
    """

    def __init__(self, radius: int, visible: torch.Tensor | None, features: Features | None = None) -> None:
        extractor, settings = (MindFeatures(STRIDE), {}) if features is None else (features, features.matching)
        super().__init__(extractor, radius, zero_border=False, **settings)
        self.visible = None
        if visible is not None:
            self.visible = functional.avg_pool3d(visible, STRIDE, ceil_mode=features is not None)

    def costs(self, fixed: torch.Tensor, moving: torch.Tensor) -> torch.Tensor:
        """Matching costs, 0 where neighbors alone decide."""
        costs = super().costs(fixed, moving)
        return costs if self.visible is None else costs * self.visible


def search(
    fixed: MetaTensor,
    moving: MetaTensor,
    field_mm: torch.Tensor | None,
    settings: DiscreteSearch,
    device: torch.device | str = "cpu",
    on_iteration: Callable[[int, int], None] | None = None,
    guidance: Guidance = NO_GUIDANCE,
    features: Features | None = None,
) -> torch.Tensor:
    """Improve a field by trying all displacements of a cube at once; contrasts may differ.

    Where a gradient leads into a near minimum, the search finds the best of (2 · radius + 1)³ displacements per cell
    that are smooth together.

    Args:
        fixed: (1, X, Y, Z).
        moving: (1, X', Y', Z'), its affine such that its world is about that of ``fixed``.
        field_mm: (3, X, Y, Z), RAS mm, on the grid of ``fixed``; None stands for zero.
        settings: see :class:`DiscreteSearch`.
        device: where to compute.
        on_iteration: called with level and pass.
        guidance: masks, the moving one in the world of ``moving``.
        features: what is compared; None for MIND-SSC.

    Returns:
        (3, X, Y, Z), RAS mm, on the grid of ``fixed``.

    Raises:
        ValueError: for images with fewer cells along an axis than the radius.

    Reference:
        Heinrich et al., MICCAI 2014; the constants of Siebert & Heinrich, WBIR 2022.
    """
    inferer = RefinedInferer(1, CONSISTENCY_ITERATIONS)

    def improve(level: int, pair: LevelPair, ddf: torch.Tensor) -> torch.Tensor:
        for number in range(settings.num_passes):
            if on_iteration is not None:
                on_iteration(level, number)
            network = Matching(settings.radius, pair.visible(ddf), features).eval()
            ddf = compose(ddf, inferer(torch.cat([pair.fixed, pair.warped(ddf)], dim=1), network))
        return ddf

    grids = level_grids(Grid.from_image(fixed), settings.num_levels, settings.spacing_mm)
    with torch.no_grad():
        return coarse_to_fine(fixed, moving, field_mm, grids, improve, device, guidance)


NUM_INTEGRATION_STEPS = 5  # squarings; exact to a tenth of a voxel for velocities of 10 voxels


@dataclass(frozen=True)
class Refinement:
    """Settings of a refinement.

    Args:
        num_iterations: steps of Adam on each level.
        similarity: "mind" compares MIND-SSC descriptors; "auto" lets a registrar choose; else a name that
            :func:`~common.losses.similarity.dissimilarity` knows.
        regularization: "diffusion" or "bending".
        weight: of the regularization.
        learning_rate: voxels of the level.
        control_spacing: distance of control points, voxels of the level.
        velocity: optimize a stationary velocity, whose map hardly folds, in place of displacements.
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
        if self.similarity != AUTO:
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
    one_of("similarity", name, ("mind", *NAMES))
    return torch.nn.Identity(), dissimilarity(name)


def refine(
    fixed: MetaTensor,
    moving: MetaTensor,
    field_mm: torch.Tensor | None,
    settings: Refinement,
    device: torch.device | str = "cpu",
    on_iteration: Callable[[int, int, float], None] | None = None,
    guidance: Guidance = NO_GUIDANCE,
) -> torch.Tensor:
    """Improve a field from coarse to fine: min over u of dissimilarity(moving ∘ (id + u), fixed) + weight · penalty(u).

    Where the moving image ends or a mask is 0, nothing is compared.

    Args:
        fixed: (1, X, Y, Z).
        moving: (1, X', Y', Z'), its affine such that its world is about that of ``fixed``.
        field_mm: (3, X, Y, Z), RAS mm, on the grid of ``fixed``; None stands for zero.
        settings: see :class:`Refinement`.
        device: where to compute.
        on_iteration: called with level, iteration and loss.
        guidance: masks, the moving one in the world of ``moving``.

    Returns:
        (3, X, Y, Z), RAS mm, on the grid of ``fixed``.

    Raises:
        ValueError: where the loss is not finite.
    """
    describe, compare = image_term(settings.similarity)
    penalty = regularization(settings.regularization)

    def improve(level: int, pair: LevelPair, ddf: torch.Tensor) -> torch.Tensor:
        pair = pair.described(describe)
        return optimize_field(
            ddf,
            lambda u: compare(pair.warped(u), pair.fixed) + settings.weight * penalty(u),
            num_iterations=settings.num_iterations,
            learning_rate=settings.learning_rate,
            control_spacing=settings.control_spacing,
            velocity=settings.velocity,
            num_integration_steps=NUM_INTEGRATION_STEPS,
            on_iteration=None if on_iteration is None else lambda i, loss: on_iteration(level, i, loss),
        )

    grids = level_grids(Grid.from_image(fixed), settings.num_levels, settings.spacing_mm)
    return coarse_to_fine(fixed, moving, field_mm, grids, improve, device, guidance)


def refinement_on(
    features: Features | None, refinement: GreedyRefinement | Refinement | None
) -> GreedyRefinement | Refinement | None:
    """A refinement that compares the features of a bundle where it has some.

    Its finest level is bounded as an Adam's: a network's values take some thirty volumes at once.

    Raises:
        ValueError: for another similarity or solver beside features, and for their similarity without them.
    """
    if refinement is None:
        return None
    if features is None:
        if refinement.similarity == FEATURES:
            raise ValueError(
                "similarity features: expected a bundle of features beside, such as any_contrast, got none"
            )
        return refinement
    if not isinstance(refinement, GreedyRefinement) or refinement.similarity not in (AUTO, FEATURES):
        raise ValueError(
            "similarity: expected auto and the greedy solver beside a bundle of features, which are compared, got"
            f" {refinement.similarity} of {type(refinement).__name__}"
        )
    return replace(refinement, similarity=FEATURES, max_voxels=min(refinement.max_voxels, MAX_VOXELS))


def check_use(bundle: str, step: object, options: Mapping[str, Any]) -> None:
    """Refuse a bundle of features that nothing compares, and options that its features do not have.

    Raises:
        ValueError: names the bundle or the options.
    """
    if step is None:
        raise ValueError(
            f"bundle {bundle}: expected a step that compares its features, such as a search or an effort, got none"
        )
    if options:
        raise ValueError(
            f"bundle_options: expected none beside {bundle}, whose weights carry what shapes its network, got"
            f" {', '.join(options)}"
        )
