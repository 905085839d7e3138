"""A generated pair of chest CTs: two lungs with vessels, exhaled and inhaled."""

from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from ...world.files import save_image
from ...world.grid import Grid

SHAPE = (96, 80, 88)
SPACING_MM = 3.0
LUNG_CENTERS_MM = ((-65.0, 0.0, 0.0), (65.0, 0.0, 0.0))
LUNG_SEMI_AXES_MM = (48.0, 70.0, 95.0)
BODY_SEMI_AXES_MM = (135.0, 105.0, 1000.0)
APEX_MM = 95.0
BREATH = 0.12
AIR_HU, LUNG_HU, TISSUE_HU, VESSEL_HU = -1000.0, -850.0, 40.0, 0.0


def write_sample_chest(folder: str | Path, seed: int = 0) -> dict[str, str]:
    """Writes ``exhale.nii.gz``, ``inhale.nii.gz`` and their lung masks.

    Body and lungs are ellipsoids; vessels are bright ridges of smooth noise. Inhaling moves every point p of the lungs
    by 0.12 (p − apex) along the body axis, so a point of the inhaled lungs shows what lay at apex + (p − apex) / 1.12.

    Args:
        folder: created where missing.
        seed: of the vessels.

    Returns:
        Paths of ``fixed`` (exhaled), ``moving`` (inhaled), ``fixed_mask`` and ``moving_mask``.
    """
    folder = Path(folder)
    affine = torch.diag(torch.tensor([SPACING_MM] * 3 + [1.0], dtype=torch.float64))
    affine[:3, 3] = -SPACING_MM * (torch.tensor(SHAPE) - 1) / 2
    grid = Grid(SHAPE, affine)
    noise = torch.randn(1, 1, *[size // 2 for size in SHAPE], generator=torch.Generator().manual_seed(seed))
    paths = {}
    for side, name, stretch in (("fixed", "exhale", 1.0), ("moving", "inhale", 1 + BREATH)):
        image, mask = _chest(grid, noise, stretch)
        for key, volume, dtype in ((side, image, "int16"), (f"{side}_mask", mask.float(), "uint8")):
            path = folder / (f"{name}.nii.gz" if key == side else f"{name}_mask.nii.gz")
            save_image(path, volume, grid, dtype)
            paths[key] = str(path.absolute())
    return paths


def _chest(grid: Grid, noise: torch.Tensor, stretch: float) -> tuple[torch.Tensor, torch.Tensor]:
    axes = [torch.arange(size, dtype=torch.float64) for size in grid.spatial_shape]
    points = grid.voxel_to_world(torch.stack(torch.meshgrid(*axes, indexing="ij"), -1))
    rest = points.clone()
    rest[..., 2] = APEX_MM + (points[..., 2] - APEX_MM) / stretch
    lungs = [_inside(rest - torch.tensor(center), LUNG_SEMI_AXES_MM) for center in LUNG_CENTERS_MM]
    mask = lungs[0] | lungs[1]
    extent = SPACING_MM * (torch.tensor(SHAPE) - 1) / 2
    lookup = (rest / extent).flip(-1).float()[None]
    texture = functional.grid_sample(noise, lookup, padding_mode="border", align_corners=True)[0, 0]
    image = torch.full(grid.spatial_shape, AIR_HU)
    image[_inside(points, BODY_SEMI_AXES_MM)] = TISSUE_HU
    image[mask] = LUNG_HU
    image[mask & (texture > 1.0)] = VESSEL_HU
    return functional.avg_pool3d(image[None, None], 3, stride=1, padding=1, count_include_pad=False)[0, 0], mask


def _inside(points: torch.Tensor, semi_axes: tuple[float, float, float]) -> torch.Tensor:
    return (points / torch.tensor(np.array(semi_axes))).square().sum(-1) <= 1
