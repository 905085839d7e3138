"""The image terms compared without a network: equation 3 minimized over the velocity of each pair, and the figures.

    python scripts/studies/mine_voxelmorph/similarity_study.py run DIR --similarity mine_local --alpha 20
    python scripts/studies/mine_voxelmorph/similarity_study.py table
    python scripts/studies/mine_voxelmorph/similarity_study.py figures DIR

Per pair, velocity and statistics network start from zero and from their random weights and take the same number of Adam
steps together, so that only image term and weight differ between rows. The field is exp of the velocity, as always.
"""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from monai.data import CacheDataset
from monai.transforms import Compose
from torch import nn

from common.fields.ddf import warp
from common.methods.mine_voxelmorph.grid import ToSubjectGridd
from common.methods.mine_voxelmorph.image_term import NAMES, image_similarity
from common.methods.mine_voxelmorph.network import VoxelMorphDiff
from common.methods.mine_voxelmorph.pairs import scored_pairs
from common.methods.mine_voxelmorph.scores import ScoreAlignmentd
from common.methods.mine_voxelmorph.steps import PosteriorLoss
from common.methods.mine_voxelmorph.subjects import brain_subjects
from common.tools.command_line import run_command
from common.tools.results.record import ScoredRow, means, read_rows, rows_of
from common.tools.results.tables import markdown_table
from common.transforms.load import LoadVolumed

DOCS = Path(__file__).resolve().parents[3] / "bundles" / "mine_voxelmorph" / "docs"
LOG_VARIANCE = -4.1  # log(1 / (10 · 6)), the best one inside, see common/methods/mine_voxelmorph/velocity_prior.py
HIPPOCAMPUS = {"spacing_mm": 1.0, "spatial_shape": (48, 64, 48), "background": False}


def optimized_pair(
    image: torch.Tensor,
    similarity: str,
    alpha: float,
    num_steps: int = 40,
    rate: float = 0.05,
    statistics_rate: float = 0.02,
    seed: int = 0,
) -> tuple[torch.Tensor, nn.Module]:
    """Minimize α · D_θ(m ∘ exp(v), f) + R(v) over v and θ for an image (1, 2, X, Y, Z) in [0, 1], fixed first.

    ``rate`` is that of v, in half-resolution voxels per step, ``statistics_rate`` that of θ.

    Returns:
        ddf (1, 3, X, Y, Z), voxels, and the image term with its trained θ.
    """
    torch.manual_seed(seed)
    network, image_term = VoxelMorphDiff(), image_similarity(similarity)
    velocity = torch.zeros(1, 3, *[size // 2 for size in image.shape[2:]], requires_grad=True)
    log_variance = torch.full_like(velocity, LOG_VARIANCE, requires_grad=False)
    groups = [{"params": [velocity], "lr": rate}, {"params": list(image_term.parameters()), "lr": statistics_rate}]
    optimizer, loss = torch.optim.Adam([group for group in groups if group["params"]]), PosteriorLoss(image_term, alpha)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(num_steps):
        optimizer.zero_grad()
        loss(image, network.displacement(velocity), velocity, log_variance, [generator])["loss"].backward()
        optimizer.step()
    return network.displacement(velocity).detach(), image_term


def hippocampus_pairs(dataset_dir: str, part: str, num_pairs: int):
    """Scored pairs of hippocampi of one part, on the bundle's grid of 48 × 64 × 48 voxels of 1 mm."""
    transform = Compose([LoadVolumed(["T1", "label"]), ToSubjectGridd(["T1"], **HIPPOCAMPUS)])
    subjects = CacheDataset(brain_subjects(dataset_dir, part, ["T1"]), transform, progress=False)
    return scored_pairs(subjects, dataset_dir if part == "val" else "", ("T1", "T1"), "inter", num_pairs)


def run(
    dataset_dir: str,
    similarity: str = "mine_local",
    alpha: float = 20.0,
    part: str = "val",
    num_pairs: int = 50,
    num_steps: int = 40,
    results_dir: str = "",
) -> str:
    """Score one similarity with one weight on hippocampus pairs; continues where it was stopped.

    Args:
        dataset_dir: Task04_Hippocampus.
        similarity: mine_local, mine_global, lncc, mse or mi.
        alpha: its weight.
        part: val for the pairs of val_pairs.json, tune to choose weights.
        num_pairs: only the first ones.
        num_steps: of Adam.
        results_dir: empty for the bundle's docs/results.

    Returns:
        The means.
    """
    torch.set_num_threads(1)
    settings = {"similarity": similarity, "alpha": alpha, "num_steps": num_steps, "part": part}
    record = ScoredRow(_path(results_dir), f"{part}-{similarity}-alpha{alpha:g}", settings)
    pairs, score = hippocampus_pairs(dataset_dir, part, num_pairs), ScoreAlignmentd(min_voxels=1)
    for number in range(len(record.rows), len(pairs)):
        item = pairs[number]
        started = time.process_time()
        ddf, _ = optimized_pair(torch.as_tensor(item["image"])[None], similarity, alpha, num_steps)
        seconds = time.process_time() - started
        record.add(item["name"], score({**item, "pred": ddf[0]})["scores"] | {"processor_seconds": seconds})
    return markdown_table([record.name, "mean"], means(record.rows).items())


def table(part: str = "val", results_dir: str = "") -> str:
    """Markdown table of all weights and similarities that were run on a part."""
    lines = []
    for settings, rows in _results(part, results_dir):
        mean = means(rows)
        numbers = zip(("initial_dice", "dice", "num_folded", "sdlogj"), (3, 3, 1, 3), strict=True)
        texts = [f"{mean[name]:.{digits}f}" for name, digits in numbers]
        lines.append([settings["similarity"], f"{settings['alpha']:g}", len(rows), *texts])
    return markdown_table(["similarity", "α", "pairs", "Dice before", "Dice", "voxels folded", "SDlogJ"], lines)


def _path(results_dir: str) -> Path:
    return Path(results_dir or DOCS / "results", "pairwise.json")


def _results(part: str, results_dir: str = "") -> list[tuple[dict, list[dict]]]:
    """Settings and scores of every row of a part."""
    found = [(row["settings"], rows_of(row["scores"])) for row in read_rows(_path(results_dir)).values()]
    chosen = [entry for entry in found if entry[0]["part"] == part]
    return sorted(chosen, key=lambda entry: (NAMES.index(entry[0]["similarity"]), entry[0]["alpha"]))


def figures(dataset_dir: str, alpha: float = 20.0, num_images: int = 12, results_dir: str = "") -> None:
    """Draw figures 2, 3 and 4 of the paper from our own runs into the bundle's docs/figures.

    Args:
        dataset_dir: Task04_Hippocampus.
        alpha: weight of the neural terms in figures 3 and 4.
        num_images: tune subjects brought onto the first one for figure 3.
        results_dir: of :func:`run`, for figure 2.
    """
    import matplotlib

    matplotlib.use("Agg")
    torch.set_num_threads(1)
    folder = DOCS / "figures"
    folder.mkdir(parents=True, exist_ok=True)
    draw_alpha(folder / "alpha.png", _results("tune", results_dir))
    draw_mean(folder / "mean.png", folder / "response.png", dataset_dir, alpha, num_images)


def draw_alpha(path: Path, results: Sequence[tuple[dict, list[dict]]]) -> None:
    """Figure 2: Dice and folded voxels over α."""
    from matplotlib import pyplot

    _, axes = pyplot.subplots(1, 2, figsize=(8, 3), layout="constrained")
    for name in NAMES:
        chosen = [(settings["alpha"], means(rows)) for settings, rows in results if settings["similarity"] == name]
        for axis, key in zip(axes, ("dice", "num_folded"), strict=True):
            if chosen:
                points = [(alpha, mean[key]) for alpha, mean in chosen]
                axis.plot(*zip(*points, strict=True), "o-", label=name)
    for axis, title in zip(axes, ("Dice", "voxels with |J| ≤ 0"), strict=True):
        axis.set(xscale="log", xlabel="α", title=title)
    axes[0].legend()
    pyplot.savefig(path, dpi=80)


def draw_mean(path: Path, response_path: Path, dataset_dir: str, alpha: float, num_images: int) -> None:
    """Figure 3: mean of the warped images and its difference to the atlas; figure 4 from the last θ."""
    from matplotlib import pyplot

    pairs = hippocampus_pairs(dataset_dir, "tune", 1).data
    images = [torch.as_tensor(pairs[number]["T1"]) for number in range(min(num_images + 1, len(pairs)))]
    rows, terms = {"before": torch.stack(images[1:]).mean(dim=0)[0]}, {}
    for name in ("mine_global", "mine_local", "lncc"):
        warped = []
        for moving in images[1:]:
            image = torch.cat([images[0], moving])[None]
            ddf, terms[name] = optimized_pair(image, name, alpha if name.startswith("mine") else alpha / 4)
            warped.append(warp(moving[None], ddf)[0, 0])
        rows[name] = torch.stack(warped).mean(dim=0)
    figure, axes = pyplot.subplots(2, len(rows), figsize=(2.4 * len(rows), 5), layout="constrained")
    for column, (name, mean) in enumerate(rows.items()):
        difference = (mean - images[0][0]).abs()
        for row, (volume, top) in enumerate(((mean, 1.0), (difference, 0.4))):
            axes[row, column].imshow(
                volume[:, :, volume.shape[2] // 2].T, cmap="gray", vmin=0, vmax=top, origin="lower"
            )
            axes[row, column].axis("off")
        axes[0, column].set_title(f"{name}\nmean |difference| {difference.mean():.4f}", fontsize=8)
    figure.savefig(path, dpi=80)
    draw_response(response_path, terms)


def draw_response(path: Path, terms: Mapping[str, nn.Module]) -> None:
    """Figure 4: F_θ on all pairs of intensities."""
    from matplotlib import pyplot

    levels = torch.linspace(0, 1, 128)
    fixed, moving = torch.meshgrid(levels, levels, indexing="ij")
    figure, axes = pyplot.subplots(1, 2, figsize=(7, 3), layout="constrained")
    for axis, name in zip(axes, ("mine_global", "mine_local"), strict=True):
        with torch.no_grad():
            response = terms[name].statistics_network(fixed[None, None], moving[None, None]).view(128, 128)
        shown = axis.imshow(response.T, origin="lower", extent=(0, 1, 0, 1))
        axis.set(title=name, xlabel="fixed", ylabel="moving")
        figure.colorbar(shown, ax=axis)
    figure.savefig(path, dpi=80)


if __name__ == "__main__":
    run_command({"run": run, "table": table, "figures": figures})
