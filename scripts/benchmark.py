"""Time the Wasserstein losses against POT and against one pass of VoxelMorph, alternately."""

import statistics
import time
from collections.abc import Callable

import fire
import ot
import torch

from common.losses.patch_sliced_wasserstein import extract_patches, patch_sliced_wasserstein
from common.losses.projection_directions import random_directions
from common.losses.radon_wasserstein import radon_wasserstein
from common.losses.sliced_wasserstein import sliced_wasserstein, voxel_rows
from common.networks.voxelmorph import VoxelMorph


def benchmark(
    repeats: int = 5, size: int = 48, num_projections: int = 400, embedding: int = 50, num_threads: int = 1
) -> None:
    """Print median seconds of forward and backward pass, measured in turn, and how far our values are from POT's.

    Args:
        repeats: rounds; every round runs each row once.
        size: voxels per axis.
        num_projections: K.
        embedding: E.
        num_threads: of torch.
    """
    torch.set_num_threads(num_threads)
    generator = torch.Generator().manual_seed(0)
    fixed = torch.randn(1, 1, size, size, size, generator=generator)
    warped = 0.9 * fixed + 0.1 * torch.randn(fixed.shape, generator=generator)
    directions = random_directions(num_projections, embedding, generator)
    lines = random_directions(num_projections, 3, generator)
    network = VoxelMorph().to(memory_format=torch.channels_last_3d)
    rows = {
        "SWD": lambda x: sliced_wasserstein(voxel_rows(x, embedding), voxel_rows(fixed, embedding), directions).mean(),
        "SWD, POT": lambda x: _pot(voxel_rows(x, embedding), voxel_rows(fixed, embedding), directions),
        "PSWD": lambda x: patch_sliced_wasserstein(x, fixed, directions),
        "PSWD, loop of POT calls": lambda x: _pot(
            *(voxel_rows(extract_patches(image), embedding) for image in (x, fixed)), directions
        ),
        "Radon": lambda x: radon_wasserstein(x, fixed, lines, embedding).mean(),
        "MSE": lambda x: (x - fixed).square().mean(),
        "VoxelMorph": lambda x: network(torch.cat([fixed, x], dim=1)).square().mean(),
    }
    seconds, values = {name: [] for name in rows}, {}
    for number in range(repeats + 1):
        for name, function in rows.items():
            elapsed, values[name] = _measure(function, warped)
            if number:
                seconds[name].append(elapsed)
    _report({name: statistics.median(times) for name, times in seconds.items()}, values)


def _pot(points: torch.Tensor, others: torch.Tensor, directions: torch.Tensor) -> torch.Tensor:
    pairs = zip(points, others, strict=True)
    distances = [ot.sliced_wasserstein_distance(x, y, projections=directions.T, p=2) ** 2 for x, y in pairs]
    return torch.stack(distances).mean()


def _measure(function: Callable, warped: torch.Tensor) -> tuple[float, float]:
    leaf = warped.clone().requires_grad_()
    started = time.perf_counter()
    value = function(leaf)
    value.backward()
    return time.perf_counter() - started, value.item()


def _report(seconds: dict[str, float], values: dict[str, float]) -> None:
    print("| loss, forward and backward | seconds |\n|---|---|")
    for name, median in seconds.items():
        print(f"| {name} | {median:.4f} |")
    for name, other in (("SWD", "SWD, POT"), ("PSWD", "PSWD, loop of POT calls")):
        difference = abs(values[name] / values[other] - 1)
        print(
            f"{name}: {seconds[other] / seconds[name]:.1f} times as fast as POT, relative difference {difference:.1e}"
        )
    print(f"PSWD takes {seconds['PSWD'] / seconds['VoxelMorph']:.2f} of a pass of VoxelMorph")


if __name__ == "__main__":
    fire.Fire(benchmark)
