"""How closely fast distances of 5 × 5 histograms follow the exact earth mover's distance, and how fast they are.

    python scripts/studies/mcd_pemd/emd_study.py
    python scripts/studies/mcd_pemd/emd_study.py --num_pairs 1000 --output_dir runs/emd_study

The first prints the tables; the second also writes emd_study.json and emd_study.png there. Needs the extra `dev`.
"""

import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from diffusion_distance import diffusion_distance
from exact_emd import exact_emd, ground_distance
from monai.utils import optional_import

from common.files import write_json
from common.methods.mcd_pemd.discrepancy import sliced_wasserstein_discrepancy
from common.methods.mcd_pemd.projected_emd import ProjectedEMDLoss
from common.tools.command_line import run_command
from common.tools.results.tables import markdown_table

NUM_BINS = 5
NUM_TIMED_PAIRS = 256
RANDOM_SHARE = 0.2


def gaussian_histograms(count: int, generator: torch.Generator) -> torch.Tensor:
    """One Gaussian-like peak each, anywhere on the grid, standard deviation 0.4 to 1.4 bins: (count, 25), float64."""
    axis = torch.arange(NUM_BINS, dtype=torch.float64)
    center = (NUM_BINS - 1) * torch.rand(count, 2, 1, 1, generator=generator, dtype=torch.float64)
    sd = 0.4 + torch.rand(count, 1, 1, generator=generator, dtype=torch.float64)
    squares = (axis[:, None] - center[:, 0]) ** 2 + (axis - center[:, 1]) ** 2
    return (-squares / (2 * sd**2)).flatten(1).softmax(dim=1)


def random_histograms(count: int, generator: torch.Generator) -> torch.Tensor:
    """Independent uniform values, normalized: (count, 25), float64."""
    values = torch.rand(count, NUM_BINS**2, generator=generator, dtype=torch.float64)
    return values / values.sum(dim=1, keepdim=True)


def mixed_histograms(count: int, generator: torch.Generator) -> torch.Tensor:
    """Peaks of which 20 % of the mass is random: (count, 25), float64."""
    peaks = gaussian_histograms(count, generator)
    return (1 - RANDOM_SHARE) * peaks + RANDOM_SHARE * random_histograms(count, generator)


def pairwise(loss: Callable) -> Callable:
    """A loss over batches turned into one value per pair of histograms."""
    return lambda p, q: torch.stack([loss(p[i : i + 1], q[i : i + 1]) for i in range(len(p))])


def sliced(p: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
    """Sliced Wasserstein distance of two one-histogram batches, on 128 directions of class space."""
    directions = torch.randn(NUM_BINS**2, 128, generator=torch.Generator().manual_seed(0), dtype=p.dtype)
    return sliced_wasserstein_discrepancy(p, q, directions / directions.norm(dim=0))


DISTANCES = {
    "p-EMD, 16 directions over 180°": pairwise(ProjectedEMDLoss(16)),
    "p-EMD, 2 directions": pairwise(ProjectedEMDLoss(2)),
    "p-EMD, 16 directions over 90°": pairwise(ProjectedEMDLoss(16, angle_range=90.0)),
    "L1": lambda p, q: (p - q).abs().sum(dim=1),
    "sliced Wasserstein": pairwise(sliced),
    "diffusion distance": diffusion_distance,
}
HISTOGRAMS = {"one peak": gaussian_histograms, "20 % random": mixed_histograms, "random": random_histograms}


def distances(kind: str, num_pairs: int, seed: int) -> dict[str, np.ndarray]:
    """Exact and fast distances of the same random pairs: name → (num_pairs,)."""
    generator = torch.Generator().manual_seed(seed)
    p, q = HISTOGRAMS[kind](num_pairs, generator), HISTOGRAMS[kind](num_pairs, generator)
    values = {"exact": exact_emd(p, q, ground_distance(NUM_BINS))}
    values.update({name: distance(p, q) for name, distance in DISTANCES.items()})
    return {name: value.numpy() for name, value in values.items()}


def seconds(function: Callable, repeats: int) -> float:
    """Mean duration of a call."""
    start = time.perf_counter()
    for _ in range(repeats):
        function()
    return (time.perf_counter() - start) / repeats


def timing(rounds: int, seed: int) -> dict[str, float]:
    """Medians over rounds of forward and backward on 256 pairs, the two methods in turn, one thread."""
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(seed)
    p, q = (gaussian_histograms(NUM_TIMED_PAIRS, generator).requires_grad_() for _ in range(2))
    loss, cost = ProjectedEMDLoss(16).double(), ground_distance(NUM_BINS)

    def projected() -> None:
        torch.autograd.grad(loss(p, q), (p, q))

    def exact() -> None:
        torch.autograd.grad(exact_emd(p, q, cost).mean(), (p, q))

    seconds(projected, 10), seconds(exact, 1)
    measured = [(seconds(projected, 50), seconds(exact, 1)) for _ in range(rounds)]
    fast, slow = (statistics.median(column) for column in zip(*measured, strict=True))
    ratio = statistics.median(exact_s / projected_s for projected_s, exact_s in measured)
    return {"projected_s": fast, "exact_s": slow, "ratio": ratio}


def draw(values: dict[str, np.ndarray], path: Path) -> None:
    """Scatter plots of four distances against the exact one, each scaled to the mean of the exact one."""
    pyplot, _ = optional_import("matplotlib.pyplot")
    names = [name for name in DISTANCES if name not in ("L1", "sliced Wasserstein")]
    figure, axes = pyplot.subplots(1, len(names), figsize=(3 * len(names), 3), sharey=True, layout="constrained")
    for axis, name in zip(axes, names, strict=True):
        axis.scatter(values["exact"], values[name] * values["exact"].mean() / values[name].mean(), s=3)
        axis.set(title=name, xlabel="exact EMD (bins)")
        axis.title.set_fontsize(9)
    axes[0].set_ylabel("distance, scaled to the mean")
    figure.savefig(path, dpi=72)
    pyplot.close(figure)


def emd_study(num_pairs: int = 500, seed: int = 0, rounds: int = 9, output_dir: str = "") -> str:
    """Correlation with the exact distance and time.

    Args:
        num_pairs: pairs of each kind of histogram.
        seed: of the histograms.
        rounds: of the timing.
        output_dir: folder that gets emd_study.json and emd_study.png; empty: nothing is written.

    Returns:
        A Markdown table of Pearson correlations and a line of times.
    """
    values = {kind: distances(kind, num_pairs, seed) for kind in HISTOGRAMS}
    pearson = {
        name: {kind: float(np.corrcoef(values[kind]["exact"], values[kind][name])[0, 1]) for kind in HISTOGRAMS}
        for name in DISTANCES
    }
    times = timing(rounds, seed)
    if output_dir:
        settings = {"num_pairs": num_pairs, "seed": seed, "rounds": rounds}
        write_json(Path(output_dir, "emd_study.json"), {"settings": settings, "pearson": pearson, "timing": times})
        draw(values["one peak"], Path(output_dir, "emd_study.png"))
    lines = [[name, *(f"{r:.4f}" for r in row.values())] for name, row in pearson.items()]
    return markdown_table(["distance", *HISTOGRAMS], lines) + (
        f"\n\nForward and backward on {NUM_TIMED_PAIRS} pairs: p-EMD {1e3 * times['projected_s']:.3f} ms, "
        f"exact {1e3 * times['exact_s']:.1f} ms, ratio {times['ratio']:.0f}"
    )


if __name__ == "__main__":
    run_command(emd_study)
