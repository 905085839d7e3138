"""A series of volumes of one anatomy, such as a motion series: all frames brought onto one of them."""

import os
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import torch

from ..data.volume import VolumeError, input_volume
from ..files import write_atomically, write_json
from ..metrics.regularity import determinant_of_field_mm, determinant_scores
from ..world.files import compressed, load_field, save_image
from ..world.grid import Grid
from .batch import Job, run_job
from .outputs import Request
from .registrar import Registrar

SERIES_FILE = "series.nii.gz"
RECORD_FILE = "series.json"


def read_series(path: str | os.PathLike) -> nib.Nifti1Image:
    """Open a NIfTI file with four axes, the last one of frames; voxels stay on the disk.

    Raises:
        FileNotFoundError: no such file.
        VolumeError: for another kind of file, or other axes; names the file.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f"{path}: expected a NIfTI file, there is no such file")
    try:
        image = nib.load(path)
    except (nib.filebasedimages.ImageFileError, OSError, EOFError, ValueError, zlib.error) as error:
        raise VolumeError(f"{path}: expected a NIfTI file, found content that is none ({error})") from error
    if len(image.shape) != 4 or image.shape[3] < 2:
        raise VolumeError(f"{path}: expected four axes, the last one of frames, got the shape {image.shape}")
    return image


def register_series(
    path: str | os.PathLike,
    registrar: Registrar,
    output_dir: str | os.PathLike,
    frame: int = 0,
    on_progress: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Bring all frames of a series onto one; the same command again continues where it was stopped.

    Args:
        path: NIfTI file with four axes.
        registrar: settings of each registration.
        output_dir: gets series.nii.gz, the aligned frames; series.json; frames/ with each frame as a file; and a folder
            of a registration per frame.
        frame: the one that stays in place, from 0.
        on_progress: called with what begins.

    Returns:
        Content of series.json: per frame the mean and largest displacement in mm and the share of folds.

    Raises:
        ValueError: for another file, a frame outside the series, or frames that cannot be registered.
        FileExistsError: where the folder holds registrations of another series or other settings.
    """
    image, folder, report = read_series(path), Path(output_dir).expanduser(), on_progress or (lambda step: None)
    reference = input_volume(path, registrar.header, frame=frame)
    grid = Grid.from_image(reference)
    names = [f"frame{number:04d}" for number in range(image.shape[3])]
    files = {name: folder / "frames" / f"{name}.nii.gz" for name in names}
    aligned, rows = np.empty(image.shape, dtype=np.float32), []
    _save_frame(files[names[frame]], reference, grid)
    for number, name in enumerate(names):
        report(name)
        if number == frame:
            aligned[..., number] = reference[0].numpy()
            rows.append({"frame": number, "mean_mm": 0.0, "max_mm": 0.0, "folding_fraction": 0.0})
            continue
        _save_frame(files[name], input_volume(path, registrar.header, frame=number), grid)
        job = Job(*(str(file.absolute()) for file in (files[names[frame]], files[name])), name)
        run_job(job, registrar, folder, Request(report=False))
        aligned[..., number] = np.asarray(nib.load(folder / name / "warped.nii.gz").dataobj)
        rows.append({"frame": number, **_movement(folder / name / "field.nii.gz")})
    _save_series(folder / SERIES_FILE, aligned, grid, image)
    record = {"series": str(path), "reference": frame, "settings": registrar.settings, "frames": rows}
    write_json(folder / RECORD_FILE, record)
    return record


def _save_frame(path: Path, volume: torch.Tensor, grid: Grid) -> None:
    """Write a frame that is not there yet.

    Raises:
        FileExistsError: where the file holds another one.
    """
    if path.is_file():
        old = nib.load(path)
        is_same_place = Grid(old.shape, torch.from_numpy(old.affine)).coincides_with(grid)
        if is_same_place and np.array_equal(np.asarray(old.dataobj), volume[0].numpy()):
            return
        raise FileExistsError(f"{path}: expected no file or the same frame, got that of another series")
    save_image(path, volume, grid)


def _movement(path: Path) -> dict[str, float]:
    field_mm, grid = load_field(path)
    lengths = field_mm.norm(dim=0)
    folds = determinant_scores(determinant_of_field_mm(field_mm, grid))["folding_fraction"]
    return {"mean_mm": lengths.mean().item(), "max_mm": lengths.max().item(), "folding_fraction": folds}


def _save_series(path: Path, frames: np.ndarray, grid: Grid, like: nib.Nifti1Image) -> None:
    """Write frames on a grid with the timing of a series."""
    image = nib.Nifti1Image(frames, grid.affine.numpy(), header=like.header)
    image.header.set_xyzt_units("mm", like.header.get_xyzt_units()[1])
    image.set_data_dtype(np.float32)
    image.header.set_slope_inter(1, 0)
    write_atomically(path, lambda stream: compressed(image, stream))
