"""Processor time of each operation of the greedy solver, and the share of the memory bandwidth that it uses.

    python scripts/studies/all/greedy_operations.py --spatial_shape 96,112,96

"Usual" is the way of MONAI and PyTorch: pooling, convolution, autograd. The traffic is what must be read and written at
least, in volumes; the bandwidth is that of a copy.
"""

import time
from collections.abc import Callable, Sequence

import torch
from monai.losses import LocalNormalizedCrossCorrelationLoss
from monai.networks.layers import GaussianFilter
from torch.nn import functional

from common.fields.ddf import compose, warp
from common.fields.smoothing import box_sum, gaussian_smooth
from common.losses.local_correlation import LocalCorrelation
from common.losses.mind import mind_ssc
from common.solvers.greedy import bounded, compose_short
from common.solvers.greedy_settings import Greedy
from common.solvers.image_force import Force, difference_force
from common.solvers.moving_view import MovingView
from common.tools.command_line import run_command
from common.tools.results.tables import markdown_table

SETTINGS = Greedy()
TRUNCATION = 3.0  # standard deviations at which a Gaussian ends


def greedy_operations(spatial_shape: Sequence[int] = (96, 112, 96), repeats: int = 3) -> str:
    """Table of all operations on one thread; the least time of some repeats counts.

    Args:
        spatial_shape: of the level.
        repeats: of each operation, after one that is not counted.
    """
    torch.set_num_threads(1)
    operations = named_operations(list(spatial_shape))
    voxels = torch.tensor(spatial_shape).prod().item()
    seconds = {}
    for name, (_, *ways) in operations.items():
        seconds[name] = [None if way is None else least_seconds(way, repeats) / voxels for way in ways]
    fastest = seconds["copy"][1] / operations["copy"][0]  # seconds per volume of traffic and voxel
    header = ["milliseconds per million voxels", "usual", "here", "traffic (volumes)", "share of the bandwidth"]
    rows = []
    for name, (usual, here) in seconds.items():
        volumes = operations[name][0]
        before = "" if usual is None else f"{1e9 * usual:.1f}"
        rows.append([name, before, f"{1e9 * here:.1f}", str(volumes), f"{100 * volumes * fastest / here:.0f} %"])
    return markdown_table(header, rows)


def named_operations(spatial_shape: list[int]) -> dict[str, tuple[int, Callable | None, Callable]]:
    """Traffic in volumes, the usual way, and ours, of each operation on seeded images of a shape."""
    generator = torch.Generator().manual_seed(0)
    fixed, moving = (torch.rand(1, 1, *spatial_shape, generator=generator) for _ in range(2))
    noise = torch.randn(1, 3, *spatial_shape, generator=generator)
    ddf = gaussian_smooth(noise, 2.0)
    view = MovingView(moving, None, torch.eye(3, 4))
    descriptors = mind_ssc(fixed), mind_ssc(moving)
    force, correlation = Force(fixed, SETTINGS), LocalCorrelation(fixed, SETTINGS.radius)

    def usual_gradient() -> torch.Tensor:
        loss = LocalNormalizedCrossCorrelationLoss(kernel_size=2 * SETTINGS.radius + 1)
        warped = moving.clone().requires_grad_()
        return torch.autograd.grad(loss(warped, fixed), warped)[0]

    def usual_mean() -> torch.Tensor:
        return functional.avg_pool3d(fixed, 2 * SETTINGS.radius + 1, stride=1, padding=SETTINGS.radius)

    def iteration() -> torch.Tensor:
        update = gaussian_smooth(force(view.warped(ddf))[1], SETTINGS.fluid)
        return gaussian_smooth(compose_short(ddf, bounded(update, SETTINGS.step)), SETTINGS.elastic)

    without_graph = torch.no_grad()
    smoothers = {sigma: GaussianFilter(3, sigma, TRUNCATION) for sigma in (SETTINGS.fluid, SETTINGS.elastic)}
    return {
        "copy": (2, None, fixed.clone),
        "box sum of a volume": (2, usual_mean, lambda: box_sum(fixed, SETTINGS.radius)),
        "warp of a volume": (5, without_graph(lambda: warp(moving, ddf)), lambda: view.warped(ddf)),
        "correlation and its gradient": (7, usual_gradient, lambda: correlation.with_gradient(moving)),
        "12 descriptors of MIND-SSC": (13, None, lambda: mind_ssc(fixed)),
        "force of 12 descriptors": (27, None, lambda: difference_force(*descriptors)),
        "Gaussian of the update": (
            6,
            without_graph(lambda: smoothers[SETTINGS.fluid](noise)),
            lambda: gaussian_smooth(noise, SETTINGS.fluid),
        ),
        "Gaussian of the field": (
            6,
            without_graph(lambda: smoothers[SETTINGS.elastic](noise)),
            lambda: gaussian_smooth(noise, SETTINGS.elastic),
        ),
        "bound of the update": (6, None, lambda: bounded(noise, SETTINGS.step)),
        "composition": (9, lambda: compose(ddf, ddf), lambda: compose_short(ddf, ddf)),
        "iteration": (14, None, iteration),
    }


def least_seconds(work: Callable, repeats: int) -> float:
    """Least processor seconds of some calls, after one that is not counted."""
    work()
    found = []
    for _ in range(repeats):
        started = time.process_time()
        work()
        found.append(time.process_time() - started)
    return min(found)


if __name__ == "__main__":
    run_command(greedy_operations)
