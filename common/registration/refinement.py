"""Refinement of one pair: instance optimization from coarse to fine, after a bundle's prediction or alone."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from monai.data import MetaTensor

from ..fields.world import Grid
from ..losses.regularization import regularization
from ..losses.similarity import NAMES, dissimilarity
from ..solvers.instance import optimize_field
from ..transforms.mind import mind_ssc
from .levels import LevelPair, coarse_to_fine, level_grids

NUM_INTEGRATION_STEPS = 5  # squarings; exact to a tenth of a voxel for velocities of 10 voxels


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
    if name not in NAMES:
        raise ValueError(f"similarity: expected one of mind, {', '.join(NAMES)}, got {name!r}")
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

    Where the moving image ends, nothing is compared.

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
    return coarse_to_fine(fixed, moving, field_mm, grids, improve, device)
