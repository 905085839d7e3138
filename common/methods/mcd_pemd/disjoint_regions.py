"""Two regions of one body part as two subjects, for a data set that has only one."""

import json
from collections.abc import Mapping
from pathlib import Path

import torch

from ...data.volume import read_volume
from ...files import new_folder
from ...world.files import save_image
from ...world.grid import Grid
from ...world.network_grid import network_grid
from ...world.resample import resample

AIR_HU = -1000.0  # CT number of air
BODY_HU = -300.0  # everything below is taken for air


def shift_ct(volume: torch.Tensor) -> torch.Tensor:
    """CT numbers above air, 0 where there is air: the background 0 that the patch sources expect.

    Example:
        >>> shift_ct(torch.tensor([-1000.0, -500.0, 0.0, 40.0])).tolist()
        [0.0, 0.0, 1000.0, 1040.0]
    """
    return torch.where(volume < BODY_HU, 0.0, volume - AIR_HU)


def split_length(length: int, share: float, gap: int) -> dict[str, tuple[int, int]]:
    """Ranges of voxels along an axis for two regions with a gap between them.

    Args:
        length: voxels.
        share: of what the gap leaves, for the lower region, between 0 and 1.
        gap: voxels in neither.

    Returns:
        "lower" and "upper" → first voxel, end.

    Raises:
        ValueError: where a region would be empty.

    Example:
        >>> split_length(100, 0.6, 20)
        {'lower': (0, 48), 'upper': (68, 100)}
    """
    lower = round(share * (length - gap))
    if not 0 < lower < length - gap:
        raise ValueError(f"expected two regions within {length} voxels, got a share of {share} and a gap of {gap}")
    return {"lower": (0, lower), "upper": (lower + gap, length)}


def write_regions(
    images: Mapping[str, str | Path], output_dir: str | Path, share: float = 0.6, gap_mm: float = 20.0
) -> dict[str, tuple[int, int]]:
    """Write two regions along the axis of the body, 1 mm voxels, in the multi-contrast layout.

    All contrasts are resampled to the extent of the first one, which must therefore be the smallest.

    Args:
        images: contrast → NIfTI file, in one world frame; one called "CT" is shifted so that air is 0.
        output_dir: a folder that does not exist yet.
        share: of the length, for the lower region.
        gap_mm: distance of the regions; patches are two-dimensional and tilt by a few millimeters.

    Returns:
        Region → slices of the 1 mm grid.

    Raises:
        FileExistsError: ``output_dir`` exists.
        ValueError: no room for two regions.
    """
    volumes = {contrast: read_volume(path) for contrast, path in images.items()}
    grid = network_grid(Grid.from_image(next(iter(volumes.values()))), spacing=1.0)
    ranges = split_length(grid.spatial_shape[2], share, round(gap_mm))
    subjects = [{"subject": name, **{c: f"{name}/{c}.nii.gz" for c in volumes}} for name in ranges]
    with new_folder(output_dir) as folder:
        for contrast, volume in volumes.items():
            values = shift_ct(volume.as_tensor()) if contrast == "CT" else volume.as_tensor()
            for name, (first, end) in ranges.items():
                region = _region(grid, first, end)
                resampled = resample(values, Grid.from_image(volume), region)
                (folder / name).mkdir(exist_ok=True)
                save_image(folder / name / f"{contrast}.nii.gz", resampled, region)
        (folder / "dataset.json").write_text(json.dumps({"subjects": subjects}, indent=1), encoding="utf-8")
    return ranges


def _region(grid: Grid, first: int, end: int) -> Grid:
    """Slices first to end of a grid, whose third axis runs along the body."""
    affine = grid.affine.clone()
    affine[:3, 3] += first * affine[:3, 2]
    return Grid((*grid.spatial_shape[:2], end - first), affine)
