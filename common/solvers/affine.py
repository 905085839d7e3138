"""Affine registration by mutual information, from coarse to fine and from many starts."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count, product
from typing import Any

import torch

from ..words import one_of
from ..world.grid import Grid
from .affine_objective import Objective, transform

NUM_PARAMETERS = {"rigid": 6, "affine": 12}
LEVELS = (24, 48, 96)  # voxels along the longest edge of the fixed image
NUM_ITERATIONS = 50
NUM_SAMPLES = (12_000, 40_000, 120_000)  # points of the fixed image per iteration, at most
START_DEGREES = 20.0  # rotations about the three axes from which the coarsest level starts, −, 0 and +
START_ITERATIONS = 12
STEP = 1.0  # length of the first step, voxels of the level
MOMENTS = (0.8, 0.99)  # how much of the mean of the gradient, and of its squared length, stays per iteration
# TURN_WEIGHT where maps that were found are compared: what lies at their edges alone makes a difference of 3 %.
CHOICE_WEIGHT = 0.2
NUM_STARTS = 27
NUM_KEPT = 4  # starts that the coarsest level goes on with
SAME = 0.5  # voxels by which two maps differ at most that are one for the finer levels
MIN_GAIN = 0.002  # of the score, below which the initial alignment stays


@dataclass(frozen=True)
class Alignment:
    """An affine map, and why it was taken.

    Args:
        matrix: (4, 4), float64, RAS mm, from the fixed image's world to the moving image's.
        taken: "initial", or a kind of map and where it started from, a key of ``scores``.
        scores: normalized mutual information on the finest level of all that was compared; empty where nothing was.
    """

    matrix: torch.Tensor
    taken: str
    scores: dict[str, float]

    @property
    def facts(self) -> dict[str, Any]:
        """What was taken, why, and the scores, for the records."""
        reason = f"{self.taken}: the most normalized mutual information, less a little for turning and stretching"
        if self.taken == "initial":
            reason = "no other map raises normalized mutual information clearly" if self.scores else "nothing was asked"
        return {"taken": self.taken, "reason": reason, "normalized_mutual_information": self.scores}


def best_alignment(
    fixed: torch.Tensor,
    fixed_grid: Grid,
    moving: torch.Tensor,
    moving_grid: Grid,
    initial: torch.Tensor | None = None,
    kind: str = "affine",
    on_iteration: Callable[[int, int, float], None] | None = None,
    masks: tuple[torch.Tensor | None, torch.Tensor | None] = (None, None),
) -> Alignment:
    """The best of several world matrices A by the normalized mutual information of fixed(p) and moving(A p).

    The gradient leads along A = A₀ · T(θ) with T about the middle of the fixed image; all entries of θ are in mm at its
    typical radius. The coarsest level starts from 27 rotations and goes on with the best four, the finer ones from its
    best. Twelve parameters start from the six that were found, and from A₀ alone; where both come to the same, one goes
    on. An ellipsoid maps onto another one in any number of ways: a weak penalty of turning and stretching, doubled
    where maps are compared at the end, prefers what is near to A₀, and parts of θ that the images leave open stay.

    Args:
        fixed: (1, X, Y, Z), any unit.
        fixed_grid: its grid.
        moving: (1, X', Y', Z'), any unit, of any contrast.
        moving_grid: its grid.
        initial: A₀, (4, 4), RAS mm; None for the identity.
        kind: "rigid" or "affine".
        on_iteration: called with the stage of the search, from 0, the iteration and the best score.
        masks: of the shapes of ``fixed`` and ``moving``, 1 where they may be compared; None for everywhere.

    Returns:
        The map that was taken, with all scores.

    Raises:
        ValueError: for an unknown kind, a constant image, or images that do not overlap.

    Reference:
        Studholme et al., An overlap invariant entropy measure of 3D medical image alignment, Pattern Recognition 1999;
        starts as in Jenkinson and Smith, A global optimisation method for robust affine registration, 2001.
    """
    one_of("affine", kind, NUM_PARAMETERS)
    device = fixed.device
    initial = (torch.eye(4) if initial is None else initial).to(device, torch.float64)
    corners = fixed_grid.corners
    center = corners.mean(dim=0).to(device)
    radius = (corners - corners.mean(dim=0)).norm(dim=1).mean().item() / 2
    images = (fixed, fixed_grid, masks[0]), (moving, moving_grid, masks[1])
    objectives = [
        Objective(*images, max(fixed_grid.edges_mm) / voxels, samples, initial, center, radius)
        for voxels, samples in zip(LEVELS, NUM_SAMPLES, strict=True)
    ]
    stages = count()

    def climb(*arguments) -> tuple[torch.Tensor, torch.Tensor]:
        stage = next(stages)
        return maximize(*arguments, on_iteration and partial(on_iteration, stage))

    starts = _starts(radius).to(device)
    start, far = starts[:1], _rigid(objectives, starts, climb)
    theta = torch.cat([start, far]) if kind == "affine" else start
    for objective in objectives[1:] if kind == "affine" else objectives:
        theta, _ = climb(objective, theta, kind, NUM_ITERATIONS)
        if (theta - theta[:1]).abs().max() < SAME * objective.spacing_mm:
            theta = theta[:1]
    found = {"initial": start[0], f"{kind} from initial": theta[0], "rigid from many starts": far[0]}
    if kind == "affine":
        found["affine from many starts"] = theta[-1]
    with torch.no_grad():
        values, information = objectives[-1].parts(torch.stack(list(found.values())), CHOICE_WEIGHT)
    scores, values = (dict(zip(found, each.tolist(), strict=True)) for each in (information, values))
    taken = _taken(values)
    matrix = (initial @ transform(found[taken].double()[None], center, radius)[0]).cpu()
    return Alignment(matrix, taken, scores)


def affine_by_mutual_information(
    fixed: torch.Tensor,
    fixed_grid: Grid,
    moving: torch.Tensor,
    moving_grid: Grid,
    initial: torch.Tensor | None = None,
    kind: str = "affine",
) -> torch.Tensor:
    """The matrix alone of :func:`best_alignment`, (4, 4), float64, RAS mm."""
    return best_alignment(fixed, fixed_grid, moving, moving_grid, initial, kind).matrix


def _taken(values: dict[str, float]) -> str:
    """Name of the best, or "initial" where it is not clearly better.

    Example:
        >>> _taken({"initial": 1.2, "affine from initial": 1.5}), _taken({"initial": 1.2, "affine from initial": 1.201})
        ('affine from initial', 'initial')
    """
    best = max(values, key=values.__getitem__)
    return best if values[best] - values["initial"] > MIN_GAIN else "initial"


def _rigid(objectives: Sequence[Objective], starts: torch.Tensor, climb: Callable) -> torch.Tensor:
    """The best six parameters from many starts, (1, 12)."""
    theta, scores = climb(objectives[0], starts, "rigid", START_ITERATIONS)
    theta = theta[scores.topk(NUM_KEPT).indices]
    for objective in objectives:
        theta, scores = climb(objective, theta, "rigid", NUM_ITERATIONS)
        theta = theta[scores.argmax()][None]
    return theta


def maximize(
    objective: Objective,
    theta: torch.Tensor,
    kind: str,
    num_iterations: int,
    on_iteration: Callable[[int, float], None] | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Steps along the gradient from several starts at once, from one voxel down to nothing as half a cosine.

    As in Adam the mean gradient is divided by its usual size, but by that of the whole vector: divided one by one, the
    parameters that the images do not determine would take as long steps as the others.

    Args:
        objective: maps (B, 12) to scores (B,).
        theta: (B, 12), starts.
        kind: "rigid" or "affine": which parameters move.
        num_iterations: steps.
        on_iteration: called with the number of each step, from 0, and the best score before it.

    Returns:
        The last θ, (B, 12), and its scores (B,).
    """
    free = torch.arange(theta.shape[1], device=theta.device) < NUM_PARAMETERS[kind]
    mean, power = torch.zeros_like(theta), theta.new_zeros(len(theta), 1)
    for iteration in range(num_iterations):
        theta = theta.detach().requires_grad_()
        scores = objective(theta)
        if on_iteration is not None:
            on_iteration(iteration, scores.max().item())
        (gradient,) = torch.autograd.grad(scores.sum(), theta)
        gradient = gradient * free
        mean = mean.lerp(gradient, 1 - MOMENTS[0])
        power = power.lerp(gradient.square().sum(dim=1, keepdim=True), 1 - MOMENTS[1])
        # Both begin at zero, from which their first means are freed.
        mean_share, power_share = (1 - moment ** (iteration + 1) for moment in MOMENTS)
        direction = mean / mean_share / (power / power_share).sqrt().clamp(min=1e-12)
        length = objective.spacing_mm * STEP * (1 + math.cos(math.pi * iteration / num_iterations)) / 2
        theta = theta + length * direction
    with torch.no_grad():
        return theta.detach(), objective(theta)


def _starts(radius: float) -> torch.Tensor:
    """27 rotations, (27, 12)."""
    angles = [sign * math.radians(START_DEGREES) * radius for sign in (0, -1, 1)]
    theta = torch.zeros(NUM_STARTS, 12)
    theta[:, 3:6] = torch.tensor(list(product(angles, repeat=3)))
    return theta
