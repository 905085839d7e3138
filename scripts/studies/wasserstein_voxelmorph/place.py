"""Which readings of the sliced Wasserstein distance feel where an intensity lies, and how far they register a pair.

python scripts/studies/wasserstein_voxelmorph/place.py data/Task04_Hippocampus
"""

import statistics
from pathlib import Path

import torch
from monai.bundle import ConfigParser
from torch import nn

from common.fields.ddf import warp
from common.losses.registration import diffusion
from common.losses.similarity import dissimilarity
from common.losses.wasserstein.sliced import voxel_rows
from common.metrics.overlap import label_of, one_hot_label, overlap_scores
from common.solvers.instance import optimize_field
from common.tools.command_line import run_command
from common.tools.results.tables import markdown_table

CONFIG = Path(__file__).resolve().parents[3] / "bundles" / "wasserstein_voxelmorph" / "configs" / "train.json"
READINGS = {  # title → name and embedding
    "MSE": ("mse", 50),
    "PSWD": ("pswd", 50),
    "SWD, points are rows of 50 voxels": ("swd", 50),
    "SWD, points are 50 rows": ("swd", 2212),
    "SWD, points are voxels with their place": ("coord_swd", 50),
    "Radon": ("radon", 50),
}
ROW = 50  # voxels that stay together when an image is shuffled


def place(
    dataset_dir: str = "", num_pairs: int = 4, num_steps: int = 30, num_projections: int = 50, weight: float = 1.0
) -> str:
    """Table of the readings.

    "shuffled" is the distance of an image to itself with its rows of 50 voxels in another order, in units of its
    distance to another subject: 0 where place does not count. "cosine" is that of the gradient with respect to the
    field with MSE's. Dice are of tune pairs after Adam on the pair, whose penalty has the loss's gradient for a scale.

    Args:
        dataset_dir: folder in the Decathlon layout with splits.json; empty for the sample population.
        num_pairs: tune pairs.
        num_steps: of Adam.
        num_projections: drawn anew at every step.
        weight: of the penalty beside MSE.
    """
    parser = ConfigParser(ConfigParser.load_config_file(CONFIG))
    parser.update({"dataset_dir": dataset_dir, "num_tune_pairs": num_pairs})
    items = list(parser.get_parsed_content("validate#dataset"))
    images = [torch.as_tensor(item["image"]).float()[None] for item in items]
    labels = [[torch.as_tensor(item[f"{side}_label"]).float() for side in ("fixed", "moving")] for item in items]
    pulls = {title: _pulls(_loss(title, num_projections), images) for title in READINGS}
    before = [_dice(_zero_field(image), *label) for image, label in zip(images, labels, strict=True)]
    lines = [["before", "–", "–", "–", f"{statistics.fmean(before):.3f}"]]
    for title in READINGS:
        loss, ratio = _loss(title, num_projections), _ratio(pulls[title], pulls["MSE"])
        fields = [_registered(loss, image, num_steps, weight * ratio) for image in images]
        dice = [_dice(ddf, *label) for ddf, label in zip(fields, labels, strict=True)]
        shuffled = statistics.median(_shuffled(_loss(title, num_projections), image) for image in images)
        cosine = statistics.median(_cosines(pulls[title], pulls["MSE"]))
        lines.append([title, f"{shuffled:.2f}", f"{ratio:.3f}", f"{cosine:.2f}", f"{statistics.fmean(dice):.3f}"])
        print(lines[-1], flush=True)
    return markdown_table(
        ["reading", "shuffled", "gradient / that of MSE", "cosine", f"Dice, {num_pairs} pairs"], lines
    )


def shuffled_rows(image: torch.Tensor, seed: int = 0) -> torch.Tensor:
    """An image (1, 1, *spatial) with its rows of 50 consecutive voxels in another order; a last shorter row stays.

    Example:
        >>> image = torch.arange(200.0).view(1, 1, 200)
        >>> shuffled_rows(image).view(4, 50).diff(dim=1).unique().tolist()  # rows stay whole
        [1.0]
    """
    voxels = image.flatten()
    rows = voxel_rows(voxels[None, : len(voxels) // ROW * ROW], ROW)[0]
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))
    return torch.cat([rows[order].flatten(), voxels[rows.numel() :]]).view_as(image)


def _loss(title: str, num_projections: int) -> nn.Module:
    name, embedding = READINGS[title]
    return dissimilarity(name, num_projections=num_projections, embedding=embedding)


def _zero_field(image: torch.Tensor) -> torch.Tensor:
    return image.new_zeros(1, 3, *image.shape[2:])


def _shuffled(loss: nn.Module, image: torch.Tensor) -> float:
    fixed, moving = image[:, :1], image[:, 1:]
    return (loss(shuffled_rows(fixed), fixed) / loss(moving, fixed)).item()


def _pulls(loss: nn.Module, images: list[torch.Tensor]) -> list[torch.Tensor]:
    """Gradient with respect to the field at the zero field, of every pair."""
    pulls = []
    for image in images:
        ddf = _zero_field(image).requires_grad_()
        pulls.append(torch.autograd.grad(loss(warp(image[:, 1:], ddf), image[:, :1]), ddf)[0])
    return pulls


def _ratio(pulls: list[torch.Tensor], others: list[torch.Tensor]) -> float:
    return statistics.median(x.norm().item() for x in pulls) / statistics.median(x.norm().item() for x in others)


def _cosines(pulls: list[torch.Tensor], others: list[torch.Tensor]) -> list[float]:
    return [((x * y).sum() / (x.norm() * y.norm())).item() for x, y in zip(pulls, others, strict=True)]


def _registered(loss: nn.Module, image: torch.Tensor, num_steps: int, weight: float) -> torch.Tensor:
    fixed, moving = image[:, :1], image[:, 1:]
    return optimize_field(
        _zero_field(image),
        lambda ddf: loss(warp(moving, ddf), fixed) + weight * diffusion(ddf),
        num_iterations=num_steps,
        learning_rate=0.4,
        control_spacing=4,
        velocity=True,
        coarse_integration=True,
        num_integration_steps=4,
    )


def _dice(ddf: torch.Tensor, fixed_label: torch.Tensor, moving_label: torch.Tensor) -> float:
    warped = label_of(warp(one_hot_label(moving_label, 2)[None], ddf, padding_mode="zeros")[0])
    return overlap_scores(warped, fixed_label, (1.0, 1.0, 1.0), 2)["dice"]


if __name__ == "__main__":
    run_command(place)
