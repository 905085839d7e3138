"""Time the parts of the coupled convex solver, alternately with convexAdam where it is installed."""

import importlib.util
import time
from collections.abc import Callable

import torch
from torch.profiler import ProfilerActivity, profile

from common.methods.cyclical_self_training.consistency import make_consistent
from common.methods.cyclical_self_training.correlation import smooth_correlation
from common.methods.cyclical_self_training.coupled_convex import COUPLINGS, coupled_convex
from common.methods.cyclical_self_training.network import smooth_refine
from common.tools.command_line import run_command
from common.tools.results.tables import markdown_table
from common.tools.results.timing import median_seconds

SINGLE = "correlation with one smoothing"
SQUARED = "correlation, squared, two smoothings, argmin"
CONVEX_ADAM = "convexAdam: correlation, squared, two smoothings, argmin"


def benchmark(
    shape: tuple[int, ...] = (192, 160, 256),
    stride: int = 8,
    channels: int = 16,
    radius: int = 2,
    repeats: int = 7,
    num_threads: int = 2,
) -> None:
    """Print median seconds of each part, measured in turn, its processor seconds, and the memory it allocates at most.

    Processor seconds, of all threads together, mean the same on a busy machine.

    Args:
        shape: voxels of the image.
        stride: of the features.
        channels: of the features.
        radius: of the search, cells.
        repeats: rounds; every round runs each row once.
        num_threads: of torch.
    """
    torch.set_num_threads(num_threads)
    generator = torch.Generator().manual_seed(0)
    cells = [size // stride for size in shape]
    fixed, moving = (torch.randn(1, channels, *cells, generator=generator) for _ in range(2))
    cost_volume = smooth_correlation(fixed, moving, radius)
    field = coupled_convex(cost_volume, radius, list(COUPLINGS))
    rows: dict[str, Callable] = {
        SINGLE: lambda: smooth_correlation(fixed, moving, radius),
        SQUARED: lambda: smooth_correlation(fixed, moving, radius, True, 2).argmin(1),
        "coupled convex": lambda: coupled_convex(cost_volume, radius, list(COUPLINGS)),
        "consistency": lambda: make_consistent(field, -field),
        "to voxels": lambda: smooth_refine(field, stride, 0.0, list(shape)),
        "whole solve": lambda: smooth_refine(
            coupled_convex(smooth_correlation(fixed, moving, radius), radius, list(COUPLINGS)), stride, 0.0, list(shape)
        ),
    }
    if importlib.util.find_spec("convexAdam"):
        from convexAdam.convex_adam_utils import correlate

        rows[CONVEX_ADAM] = lambda: correlate(fixed, moving, radius, stride, tuple(shape), channels)
    with torch.no_grad():
        seconds, processor = (median_seconds(rows, repeats, clock) for clock in (time.perf_counter, time.process_time))
        peaks = {name: _peak_mb(function) for name, function in rows.items()}
    size = f"{list(shape)}, stride {stride}, {channels} channels, {(2 * radius + 1) ** 3} displacements"
    print(f"{size}, {num_threads} threads")
    lines = [[name, f"{seconds[name]:.3f}", f"{processor[name]:.3f}", f"{peaks[name]:.0f}"] for name in rows]
    print(markdown_table(["part", "seconds", "processor seconds", "MB allocated at most"], lines))
    if CONVEX_ADAM in rows:
        for name in (SQUARED, SINGLE):
            ratio = processor[CONVEX_ADAM] / processor[name]
            print(f"{name}: {ratio:.2f} times as fast as convexAdam's, by processor seconds")


def _peak_mb(function: Callable) -> float:
    """Largest sum of what torch has allocated and not yet freed while a function runs, MB."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        function()
    total = peak = 0
    for event in profiler.profiler.kineto_results.events():
        if event.name() == "[memory]":
            total += event.nbytes()
            peak = max(peak, total)
    return peak / 1e6


if __name__ == "__main__":
    run_command(benchmark)
