"""Fields as the Learn2Reg challenge takes them."""

import gzip
import os
import re
from functools import partial
from pathlib import Path
from typing import BinaryIO

import nibabel as nib
import numpy as np
import torch

from ..atomic import write_atomically
from ..fields.world import Grid
from ..fields.world_map import grid_points, slabs


def submission_name(fixed: str | os.PathLike, moving: str | os.PathLike) -> str:
    """Name of the file of a pair, from the case numbers in the names of the images.

    Example:
        >>> submission_name("LungCT_0001_0000.nii.gz", "LungCT_0001_0001.nii.gz")
        'disp_0001_0001.nii.gz'
        >>> submission_name("OASIS_0438_0000.nii.gz", "OASIS_0439_0000.nii.gz")
        'disp_0438_0439.nii.gz'
    """
    cases = [re.findall(r"\d{4,}", Path(name).name) for name in (fixed, moving)]
    if all(cases):
        # Where both images are of one case, their second number tells them apart.
        place = 1 if cases[0][0] == cases[1][0] and min(map(len, cases)) > 1 else 0
        numbers = [cases[0][0], cases[1][place]]
    else:
        numbers = [Path(name).name.split(".")[0] for name in (fixed, moving)]
    return f"disp_{numbers[0]}_{numbers[1]}.nii.gz"


def save_submission(path: str | os.PathLike, field_mm: torch.Tensor, grid: Grid, moving: Grid) -> None:
    """Write displacements (X, Y, Z, 3) in voxels: voxel x of the fixed image shows voxel x + d(x) of the moving one.

    Args:
        path: file that ends in .nii.gz.
        field_mm: (3, X, Y, Z), RAS mm.
        grid: grid of the field.
        moving: grid of the moving image, which in the challenge is of the same shape.

    Raises:
        ValueError: for two shapes.
    """
    if grid.spatial_shape != moving.spatial_shape:
        raise ValueError(
            f"learn2reg: expected two images of one shape, as the challenge has them, got {grid.spatial_shape}"
            f" and {moving.spatial_shape}"
        )
    displacements = np.empty((*grid.spatial_shape, 3), dtype=np.float32)
    voxel_axes = [torch.arange(size, dtype=torch.float64) for size in grid.spatial_shape]
    for rows in slabs(grid.spatial_shape):
        voxels = torch.stack(torch.meshgrid(voxel_axes[0][rows], *voxel_axes[1:], indexing="ij"), dim=-1)
        points = grid_points(grid, rows) + field_mm[:, rows].movedim(0, -1)
        displacements[rows] = (moving.world_to_voxel(points) - voxels).float().numpy()
    image = nib.Nifti1Image(displacements, grid.affine.numpy())
    write_atomically(path, partial(_write_compressed, image))


def _write_compressed(image: nib.Nifti1Image, stream: BinaryIO) -> None:
    with gzip.GzipFile(fileobj=stream, mode="wb", compresslevel=1, mtime=0) as compressed:
        image.to_stream(compressed)
