"""A labeled head under known warps, registered with some of its structures taking part.

    python scripts/studies/all/label_weight.py data/BrainT1Labels --weights 0,1,4

Every second structure, in the order of its number, takes part in the refinement; the others are held back and scored,
as is the distance from the exact field in mm. Voxels of 2 mm, the greedy refinement alone; processor seconds.
"""

import time
from pathlib import Path

import torch
from monai.data import MetaTensor

from common.data.volume import input_label, read_volume
from common.fields.ddf import warp
from common.methods.mine_voxelmorph.known_warp import WarpSize, known_warp
from common.registration.greedy import GreedyRefinement
from common.registration.labels import label_dice, warp_label
from common.registration.registrar import register
from common.registration.result import Registration
from common.tools.command_line import run_command
from common.world.grid import Grid, on_grid
from common.world.network_grid import network_grid
from common.world.resample import field_mm_to_ddf, resample, resample_smoothly

SPACING_MM = 2.0
SIZE = WarpSize(4.0, 12.0, 16.0, 4.0)
LEAST_VOXELS = 100  # of a structure that is scored


def label_weight(dataset_dir: str, weights: tuple[float, ...] = (0.0, 1.0), num_warps: int = 2) -> str:
    """Dice of structures that took part and of others, and the error, for each weight.

    Args:
        dataset_dir: folder with vol.nii.gz and seg.nii.gz.
        weights: of the labels.
        num_warps: over which figures are averaged.
    """
    torch.set_num_threads(1)
    weights = weights if isinstance(weights, tuple | list) else (weights,)
    lines = ["| weight | Dice, took part | Dice, held back | error (mm) | seconds |", "|---:|---:|---:|---:|---:|"]
    found = {weight: [] for weight in weights}
    for seed in range(num_warps):
        volumes, ddf = _pair(Path(dataset_dir), seed)
        for weight in weights:
            found[weight].append(_scores(volumes, ddf, weight))
    for weight, scores in found.items():
        means = torch.tensor(scores).mean(dim=0).tolist()
        lines.append(f"| {weight:g} | " + " | ".join(f"{mean:.3f}" for mean in means) + " |")
    return "\n".join(lines)


def _pair(folder: Path, seed: int) -> tuple[dict[str, MetaTensor], torch.Tensor]:
    """Both images and label maps in voxels of 2 mm, and the exact field."""
    image, label = read_volume(folder / "vol.nii.gz"), input_label(folder / "seg.nii.gz")
    native, grid = Grid.from_image(image), network_grid(Grid.from_image(image), spacing=[SPACING_MM] * 3)
    fixed = resample_smoothly(image.as_tensor(), native, grid)
    fixed_label = resample(label.as_tensor(), native, grid, mode="nearest")
    ddf, inverse = known_warp(fixed[0] > 0.05 * fixed.max(), SPACING_MM, SIZE, torch.Generator().manual_seed(seed))
    moving = warp(fixed[None], inverse, padding_mode="zeros")[0]
    moving_label = warp(fixed_label[None], inverse, "nearest", "zeros")[0]
    volumes = {"fixed": fixed, "moving": moving}
    volumes |= {"fixed_label": fixed_label.int(), "moving_label": moving_label.int()}
    return {name: on_grid(volume, grid, like=image) for name, volume in volumes.items()}, ddf


def _scores(volumes: dict[str, MetaTensor], ddf: torch.Tensor, weight: float) -> tuple[float, ...]:
    counts = torch.bincount(volumes["fixed_label"].as_tensor().flatten())
    numbers = [number for number, count in enumerate(counts.tolist()) if number and count >= LEAST_VOXELS]
    taking, held = numbers[::2], numbers[1::2]
    labels = {name: _only(volumes[name], taking) for name in ("fixed_label", "moving_label")}
    started = time.process_time()
    settings = GreedyRefinement(60, label_weight=weight)
    registration = register(volumes["fixed"], volumes["moving"], refine=settings, annotations=labels)
    seconds = time.process_time() - started
    found = field_mm_to_ddf(registration.field.as_tensor(), registration.grid)
    head = volumes["fixed"].as_tensor()[0] > 0.05 * volumes["fixed"].max()
    error = SPACING_MM * (found - ddf[0]).norm(dim=0)[head].mean().item()
    return *(_dice(registration, volumes, chosen) for chosen in (taking, held)), error, seconds


def _only(label: MetaTensor, numbers: list[int]) -> MetaTensor:
    kept = torch.isin(label.as_tensor(), torch.tensor(numbers))
    return MetaTensor(torch.where(kept, label.as_tensor(), 0), affine=label.affine)


def _dice(registration: Registration, volumes: dict[str, MetaTensor], numbers: list[int]) -> float:
    warped = warp_label(registration, _only(volumes["moving_label"], numbers), is_told=False)
    return label_dice(warped.as_tensor(), _only(volumes["fixed_label"], numbers).as_tensor())["dice"]


if __name__ == "__main__":
    run_command(label_weight)
