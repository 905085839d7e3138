"""How long the steps of a registration will take on this machine, from a trial of some milliseconds."""

import math
import time

import torch

from ..losses.mind import mind_ssc
from ..solvers.affine import LEVELS, NUM_ITERATIONS, NUM_KEPT, NUM_SAMPLES, NUM_STARTS, START_ITERATIONS
from ..solvers.greedy import greedy_field
from ..solvers.greedy_settings import Greedy
from ..world.grid import Grid
from .features import Features
from .greedy import AUTO, GreedyRefinement
from .levels import level_grids
from .progress import Part
from .steps import DiscreteSearch, Refinement

NUM_TRIALS = 8  # of which the fastest counts: the first wakes up the threads, others share the machine
TRIAL_SECONDS = 0.5  # of all trials; a busy machine gets two
TRIAL_SIZE = 40  # voxels per axis; a larger volume takes the same time per voxel within a fifth
LEAST_SECONDS = 2e-3  # of an iteration, however small the level
USUAL_ITERATIONS = 22  # after which a level of the greedy solver has converged; 13 to 24 on hippocampi and heads
# Measured beside an iteration of the greedy solver by lncc on one voxel:
SAMPLE = 1.3  # one evaluation of the affine step at one point
SEARCH_VOXEL = 24.0  # a pass of the search
ADAM_VOXEL = {True: 8.0, False: 2.0}  # an iteration of Adam on a velocity, on displacements
BOTH_IMAGES = 1 + 1.25**3  # voxels of the fixed and the moving image of a level, which has a margin
WRITING_SECONDS = 1.5e-6  # per voxel: files, scores and page; on one thread, whatever the machine has


def voxel_seconds(similarity: str = "lncc") -> float:
    """Seconds that an iteration of the greedy solver takes per voxel of noise, on the CPU, with the threads of now."""
    generator = torch.Generator().manual_seed(0)
    fixed, moving = torch.rand(2, 1, 1, TRIAL_SIZE, TRIAL_SIZE, TRIAL_SIZE, generator=generator)
    ddf = torch.zeros(1, 3, *fixed.shape[2:])
    seconds: list[float] = []
    while len(seconds) < NUM_TRIALS and (len(seconds) < 2 or sum(seconds) < TRIAL_SECONDS):
        started = time.perf_counter()
        greedy_field(ddf, fixed, moving, 1, Greedy(similarity), features=mind_ssc)  # as many channels as a network's
        seconds.append(time.perf_counter() - started)
    return min(seconds) / fixed.numel()


def describing_seconds(features: Features) -> float:
    """Seconds that a network takes per voxel of an image for its features."""
    volume = torch.rand(1, 1, TRIAL_SIZE, TRIAL_SIZE, TRIAL_SIZE, generator=torch.Generator().manual_seed(0))
    started = time.perf_counter()
    with torch.no_grad():
        features(volume)
    return (time.perf_counter() - started) / volume.numel()


def expected_parts(
    fixed: Grid,
    affine: str,
    search: DiscreteSearch | None,
    refinement: GreedyRefinement | Refinement | None,
    device: str = "cpu",
    features: Features | None = None,
) -> list[Part]:
    """What a registration will do, but for a bundle's prediction, of which nothing is known.

    Args:
        fixed: grid of the fixed image.
        affine: "rigid", "affine" or "".
        search: its settings; None for none.
        refinement: its settings; None for none.
        device: of the computation; on a GPU small trials tell nothing, so only what a CPU takes is expected.
        features: what the refinement compares, each of whose levels begins with those of both images.

    Returns:
        The parts in their order.
    """
    parts = []
    if device == "cpu" and (affine or search or refinement):
        unit = voxel_seconds()
        parts += _affine_parts(fixed, affine, unit) if affine else []
        parts += _search_parts(fixed, search, unit) if search else []
        parts += _refinement_parts(fixed, refinement, unit, features) if refinement else []
    num_voxels = math.prod(fixed.spatial_shape)
    return [*parts, Part("writing", seconds_per_iteration=num_voxels * WRITING_SECONDS)] if parts else []


def _affine_parts(fixed: Grid, affine: str, unit: float) -> list[Part]:
    """One part per call of the affine step's ``maximize``: the starts, the levels, and what goes on to the best map."""
    axes = list(zip(fixed.spatial_shape, fixed.edges_mm, strict=True))
    sizes = [math.prod(min(size, level * edge / max(fixed.edges_mm)) for size, edge in axes) for level in LEVELS]
    points = [min(most, size) for most, size in zip(NUM_SAMPLES, sizes, strict=True)]
    rigid = [(START_ITERATIONS, NUM_STARTS * points[0]), (NUM_ITERATIONS, NUM_KEPT * points[0])]
    finer = points[1:]
    # The two starts of twelve parameters mostly meet before the finest level.
    last = [*(2 * number for number in points[1:-1]), points[-1]] if affine == "affine" else points
    stages = rigid + [(NUM_ITERATIONS, number) for number in finer + last]
    return [
        Part("affine", stage, iterations, iterations, LEAST_SECONDS + SAMPLE * unit * evaluations)
        for stage, (iterations, evaluations) in enumerate(stages)
    ]


def _search_parts(fixed: Grid, search: DiscreteSearch, unit: float) -> list[Part]:
    grids = level_grids(fixed, search.num_levels, search.spacing_mm)
    return [
        Part("search", level, search.num_passes, search.num_passes, _seconds(grid, SEARCH_VOXEL * unit))
        for level, grid in enumerate(grids)
    ]


def _refinement_parts(
    fixed: Grid, settings: GreedyRefinement | Refinement, unit: float, features: Features | None
) -> list[Part]:
    if isinstance(settings, Refinement):
        grids, unit = level_grids(fixed, settings.num_levels, settings.spacing_mm), ADAM_VOXEL[settings.velocity] * unit
        numbers = usual = [settings.num_iterations] * len(grids)
    else:
        grids = settings.grids(fixed)
        unit = unit if settings.similarity in ("lncc", AUTO) else voxel_seconds(settings.similarity)
        numbers = settings.iterations(grids)
        usual = [min(number, USUAL_ITERATIONS) for number in numbers]
    once = BOTH_IMAGES * describing_seconds(features) if features else 0.0
    directions = settings.num_directions if isinstance(settings, GreedyRefinement) else 1
    return [
        Part("refinement", level, number, expected, _seconds(grid, unit + once / expected))
        for level, (grid, number, expected) in enumerate(directions * list(zip(grids, numbers, usual, strict=True)))
    ]


def _seconds(grid: Grid, unit: float) -> float:
    return LEAST_SECONDS + unit * math.prod(grid.spatial_shape)
