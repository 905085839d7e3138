"""The greedy refinement of a labeled head to its mirror image: its two hemispheres stand for two subjects.

    python scripts/studies/all/mirrored_head.py data/BrainT1Labels --spacing_mm 2 --num_levels 2 --finest_iterations 60

The mirror image is moved by a seeded smooth warp as well. Labels are those of FreeSurfer, left and right exchanged.
"""

import time
from collections.abc import Sequence
from pathlib import Path

import torch
from monai.data import MetaTensor
from torch.nn import functional

from common.data.volume import read_volume
from common.fields.ddf import warp
from common.fields.jacobian import jacobian_determinant
from common.fields.smoothing import gaussian_smooth
from common.registration.greedy import FEATURES, GreedyRefinement, refine_greedily
from common.registration.registrar import Registrar
from common.tools.command_line import run_command
from common.world.grid import Grid
from common.world.resample import field_mm_to_ddf, warp_moving

LEFT_RIGHT = [(2, 41), (3, 42), (4, 43), (7, 46), (8, 47), (10, 49), (11, 50), (12, 51), (13, 52), (17, 53), (18, 54)]
LEFT_RIGHT += [(26, 58), (28, 60), (31, 63)]
MIDDLE = (14, 15, 16, 24, 77, 85, 251, 255)


def mirrored_head(
    dataset_dir: str,
    num_iterations: int = 100,
    num_levels: int = 3,
    spacing_mm: float = 0.0,
    finest_iterations: int = 15,
    elastic: float = 0.0,
    fluid: float = 0.0,
    similarity: str = "lncc",
    both_directions: bool = False,
    inverted: bool = False,
    warp_mm: float = 4.0,
    seed: int = 0,
) -> str:
    """Mean Dice before and after, share of folds in the head, processor seconds.

    Args:
        dataset_dir: folder with vol.nii.gz, stored as RAS, and seg.nii.gz.
        num_iterations: see :class:`~common.registration.greedy.GreedyRefinement`, as the next seven.
        num_levels: resolutions.
        spacing_mm: finest voxel size.
        finest_iterations: on the finest level, at most.
        elastic: voxels.
        fluid: voxels.
        similarity: lncc, mind, or features of the bundle any_contrast.
        both_directions: as well.
        inverted: whether bright and dark of the moving head are exchanged, for two contrasts.
        warp_mm: mean length of the warp.
        seed: of the warp.
    """
    torch.set_num_threads(1)
    fixed, fixed_label = (read_volume(Path(dataset_dir, f"{name}.nii.gz")) for name in ("vol", "seg"))
    displacement = smooth_warp(fixed.shape[1:], warp_mm, seed)
    mirrored = fixed.as_tensor().flip(1)
    if inverted:
        mirrored = torch.where(mirrored > 0, mirrored.max() - mirrored, 0.0)
    moving = MetaTensor(warp(mirrored[None], displacement)[0], affine=fixed.affine)
    moving_label = warp(exchanged(fixed_label.as_tensor().flip(1))[None], displacement, mode="nearest")[0]
    settings = GreedyRefinement(
        num_iterations,
        similarity,
        num_levels=num_levels,
        spacing_mm=spacing_mm,
        finest_iterations=finest_iterations,
        max_voxels=8_000_000,
        fluid=fluid,
        elastic=elastic,
        both_directions=both_directions,
    )
    features = Registrar("any_contrast", refinement=settings, device="cpu").features if similarity == FEATURES else None
    started = time.process_time()
    field_mm = refine_greedily(fixed, moving, None, settings, features=features)
    seconds = time.process_time() - started
    grid = Grid.from_image(fixed)
    warped_label = warp_moving(moving_label, grid, field_mm, grid, mode="nearest")
    determinant = jacobian_determinant(field_mm_to_ddf(field_mm, grid)[None])[0]
    folds = (determinant[fixed.as_tensor() > 0] <= 0).float().mean().item()
    before, after = (mean_dice(fixed_label.as_tensor(), label) for label in (moving_label, warped_label))
    return f"Dice {before:.3f} → {after:.4f}, folds {100 * folds:.4f} %, {seconds:.1f} processor seconds"


def smooth_warp(spatial_shape: Sequence[int], mean_mm: float, seed: int) -> torch.Tensor:
    """Smooth seeded field of a mean length, (1, 3, *spatial_shape), made on a grid of four times larger voxels."""
    coarse = [max(4, round(size / 4)) for size in spatial_shape]
    noise = torch.randn(1, 3, *coarse, generator=torch.Generator().manual_seed(seed))
    field = functional.interpolate(
        gaussian_smooth(noise, 3.0), list(spatial_shape), mode="trilinear", align_corners=True
    )
    return field * mean_mm / field.norm(dim=1).mean()


def exchanged(label: torch.Tensor) -> torch.Tensor:
    """Left labels become right ones, and the other way round.

    Example:
        >>> exchanged(torch.tensor([2.0, 41.0, 16.0])).tolist()
        [41.0, 2.0, 16.0]
    """
    result = label.clone()
    for left, right in LEFT_RIGHT:
        result[label == left], result[label == right] = right, left
    return result


def mean_dice(first: torch.Tensor, second: torch.Tensor) -> float:
    """Mean Dice of all structures."""
    values = [number for pair in LEFT_RIGHT for number in pair] + list(MIDDLE)
    scores = []
    for value in values:
        one, other = first == value, second == value
        scores.append(2 * (one & other).sum().item() / max(1, (one.sum() + other.sum()).item()))
    return sum(scores) / len(scores)


if __name__ == "__main__":
    run_command(mirrored_head)
