"""Time the Wasserstein losses against POT and against one pass of VoxelMorph, alternately, and measure their memory."""

import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial

import torch
from monai.utils import optional_import

from common.losses.wasserstein.directions import random_directions
from common.losses.wasserstein.patch import extract_patches, patch_sliced_wasserstein
from common.losses.wasserstein.radon import radon_wasserstein
from common.losses.wasserstein.sliced import sliced_wasserstein, voxel_rows
from common.networks.voxelmorph import VoxelMorph
from common.tools.command_line import run_command
from common.tools.results.peak_memory import peak_memory_mb
from common.tools.results.tables import markdown_table
from common.tools.results.timing import median_seconds

ot, _ = optional_import("ot")
SMALL = 16  # voxels per axis of a first call, which loads what the libraries load late


def benchmark(
    repeats: int = 5,
    size: int = 48,
    num_projections: int = 400,
    embedding: int = 50,
    num_threads: int = 1,
    memory: bool = True,
    only: str = "",
) -> None:
    """Print median seconds and peak memory of forward and backward pass, and how far our values are from POT's.

    Rows are timed in turn, round by round, in one process. Seconds are the processor's, not the clock's: beside other
    programs a row that fits into one time slice would seem quick against a longer one. Memory is what each row adds in
    a process of its own, above the images and the libraries.

    Args:
        repeats: rounds; every round runs each row once.
        size: voxels per axis.
        num_projections: K.
        embedding: E.
        num_threads: of torch.
        memory: whether to measure memory.
        only: print the peak memory of one row, in MB, and nothing else.
    """
    torch.set_num_threads(num_threads)
    settings = {"num_projections": num_projections, "embedding": embedding}
    rows, warped = _rows(size, **settings)
    if only:
        print(_peak_mb(only, size, settings))
        return
    seconds = median_seconds({name: partial(_pass, function, warped) for name, function in rows.items()}, repeats)
    options = {"size": size, "num_threads": num_threads, **settings}
    peaks = {name: _peak_in_own_process(name, options) if memory else "–" for name in rows}
    lines = [[name, f"{median:.4f}", peaks[name]] for name, median in seconds.items()]
    print(markdown_table(["forward and backward", "processor seconds", "peak memory (MB)"], lines))
    for name, other in (("SWD", "SWD by POT"), ("PSWD", "PSWD by a loop of POT calls")):
        difference = abs(rows[name](warped).item() / rows[other](warped).item() - 1)
        ratio = seconds[other] / seconds[name]
        print(f"{name}: {ratio:.1f} times as fast as POT, relative difference {difference:.1e}")
    print(f"PSWD takes {seconds['PSWD'] / seconds['VoxelMorph']:.2f} of a pass of VoxelMorph")


def _rows(size: int, num_projections: int, embedding: int) -> tuple[dict[str, Callable], torch.Tensor]:
    """What is measured, as functions of the warped image, and that image."""
    generator = torch.Generator().manual_seed(0)
    fixed = torch.randn(1, 1, size, size, size, generator=generator)
    warped = 0.9 * fixed + 0.1 * torch.randn(fixed.shape, generator=generator)
    directions = random_directions(num_projections, embedding, generator)
    lines = random_directions(num_projections, 3, generator)
    network = VoxelMorph().to(memory_format=torch.channels_last_3d)
    rows = {
        "SWD": lambda x: sliced_wasserstein(voxel_rows(x, embedding), voxel_rows(fixed, embedding), directions).mean(),
        "SWD by POT": lambda x: _pot(voxel_rows(x, embedding), voxel_rows(fixed, embedding), directions),
        "PSWD": lambda x: patch_sliced_wasserstein(x, fixed, directions),
        "PSWD by a loop of POT calls": lambda x: _pot(
            *(voxel_rows(extract_patches(image), embedding) for image in (x, fixed)), directions
        ),
        "Radon": lambda x: radon_wasserstein(x, fixed, lines, embedding).mean(),
        "MSE": lambda x: (x - fixed).square().mean(),
        "VoxelMorph": lambda x: network(torch.cat([fixed, x], dim=1)).square().mean(),
    }
    return rows, warped


def _pot(points: torch.Tensor, others: torch.Tensor, directions: torch.Tensor) -> torch.Tensor:
    pairs = zip(points, others, strict=True)
    distances = [ot.sliced_wasserstein_distance(x, y, projections=directions.T, p=2) ** 2 for x, y in pairs]
    return torch.stack(distances).mean()


def _pass(function: Callable, warped: torch.Tensor) -> None:
    function(warped.clone().requires_grad_()).backward()


def _peak_mb(name: str, size: int, settings: dict[str, int]) -> float | None:
    for edge in (SMALL, size):
        rows, warped = _rows(edge, **settings)
        if name not in rows:
            raise ValueError(f"only: expected one of {'; '.join(rows)}, got {name!r}")
        peak = peak_memory_mb(partial(_pass, rows[name], warped))
    return peak


def _peak_in_own_process(name: str, options: dict[str, int]) -> str:
    """Peak memory of a row in MB, as text; large blocks are given back at once, so that none is used twice unseen."""
    words = [f"--{key}={value}" for key, value in options.items()]
    environment = os.environ | {"MALLOC_MMAP_THRESHOLD_": "65536"}
    command = [sys.executable, __file__, f"--only={name}", *words]
    output = subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout
    text = output.strip().splitlines()[-1]
    return "–" if text == "None" else f"{float(text):.1f}"


if __name__ == "__main__":
    run_command(benchmark)
