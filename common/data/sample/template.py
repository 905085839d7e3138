"""The brain template behind the sample population: tissue maps that nilearn ships as package data."""

from functools import lru_cache
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import nibabel as nib
import numpy as np
import torch
import torch.nn.functional as F

from ...words import one_of
from ...world.grid import apply_affine

HEAD_BOX = ((18, 179), (19, 216), (0, 163))
HIPPOCAMPUS_BOX = ((54, 90), (87, 137), (40, 76))
HIPPOCAMPUS_AXIS_MM = (
    (-22.0, -8.0, -22.0),
    (-28.0, -20.0, -16.0),
    (-31.0, -30.0, -9.0),
    (-27.0, -36.0, -5.0),
)
HIPPOCAMPUS_RADIUS_MM = 6.0
HIPPOCAMPUS_SPLIT_MM = -21.0


class SampleTemplate(NamedTuple):
    """Fractions (3, X, Y, Z) of cerebrospinal fluid, grey and white matter; labels (1, X, Y, Z); affine."""

    tissues: torch.Tensor
    label: torch.Tensor
    affine: torch.Tensor


@lru_cache(maxsize=4)
def sample_template(region: str = "head", spacing: int = 1) -> SampleTemplate:
    """Template that every subject of the sample population is a warp of.

    Args:
        region: ``"head"``, labels 1 cerebrospinal fluid, 2 grey, 3 white matter; or ``"hippocampus"``, a
            region of 36 × 50 × 36 mm around the left hippocampus, labels 1 anterior, 2 posterior.
        spacing: isotropic voxel size in mm, a whole number; voxels of the 1 mm template are averaged, of
            the labels the most frequent one is taken.

    Returns:
        The template; its affine is voxel → world (RAS, mm).

    Raises:
        ImportError: nilearn is not installed.
        ValueError: an unknown region or a spacing that is no whole number of mm.

    Reference:
        ICBM 2009a nonlinear symmetric template, McConnell Brain Imaging Centre (Fonov et al., NeuroImage
        2011).
    """
    boxes = {"head": HEAD_BOX, "hippocampus": HIPPOCAMPUS_BOX}
    one_of("region", region, boxes)
    if spacing not in range(1, 9):
        raise ValueError(f"spacing: expected a whole number of mm from 1 to 8, got {spacing!r}")
    tissues, affine = _read_tissues(boxes[region])
    label = _tissue_label(tissues) if region == "head" else _hippocampus_label(tissues, affine)
    if spacing > 1:
        tissues, label = F.avg_pool3d(tissues, spacing), _majority_label(label, spacing)
        affine[:3, 3] += affine[:3, :3].sum(1) * (spacing - 1) / 2
        affine[:3, :3] *= spacing
    return SampleTemplate(tissues, label, affine)


def _read_tissues(box: tuple) -> tuple[torch.Tensor, torch.Tensor]:
    """Fractions of the three tissues in a box of the 1 mm template, and the affine of the box."""
    if find_spec("nilearn") is None:
        raise ImportError('the sample population needs nilearn: pip install -e ".[sample]"')
    folder = Path(find_spec("nilearn").origin).parent / "datasets" / "data"
    files = [folder / f"mni_icbm152_{kind}_tal_nlin_sym_09a_converted.nii.gz" for kind in ("t1", "gm", "wm")]
    window = tuple(slice(start, end) for start, end in box)
    t1, grey, white = (
        torch.tensor(np.asarray(nib.load(file).dataobj)[window], dtype=torch.float32) / 255 for file in files
    )
    fluid = ((t1 > 0).float() - grey - white).clamp(0, 1)
    affine = torch.tensor(nib.load(files[0]).affine, dtype=torch.float64)
    affine[:3, 3] += affine[:3, :3] @ torch.tensor([float(start) for start, _ in box], dtype=torch.float64)
    return torch.stack([fluid, grey, white]), affine


def _tissue_label(tissues: torch.Tensor) -> torch.Tensor:
    background = (1 - tissues.sum(0, keepdim=True)).clamp(min=0)
    return torch.cat([background, tissues]).argmax(0, keepdim=True).float()


def _majority_label(label: torch.Tensor, spacing: int) -> torch.Tensor:
    one_hot = F.one_hot(label[0].long()).movedim(-1, 0).float()
    return F.avg_pool3d(one_hot, spacing).argmax(0, keepdim=True).float()


def _hippocampus_label(tissues: torch.Tensor, affine: torch.Tensor) -> torch.Tensor:
    """Grey matter within a tube around the axis of the hippocampus, split at a coronal plane."""
    axes = [torch.arange(length, dtype=torch.float64) for length in tissues.shape[1:]]
    voxels = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1)
    world = apply_affine(affine, voxels)
    nodes = torch.tensor(HIPPOCAMPUS_AXIS_MM, dtype=torch.float64)
    distances = [_segment_distance(world, start, end) for start, end in pairwise(nodes)]
    tube = torch.stack(distances).amin(0) < HIPPOCAMPUS_RADIUS_MM
    inside = tube & (tissues[1] > 0.5)
    return torch.where(inside, torch.where(world[..., 1] > HIPPOCAMPUS_SPLIT_MM, 1.0, 2.0), 0.0)[None]


def _segment_distance(points: torch.Tensor, start: torch.Tensor, end: torch.Tensor) -> torch.Tensor:
    direction = end - start
    share = ((points - start) @ direction / direction.dot(direction)).clamp(0, 1)
    return (points - start - share[..., None] * direction).norm(dim=-1)
