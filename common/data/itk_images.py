"""Images that SimpleITK reads and writes: NRRD, MetaImage, DICOM series; and its images in memory."""

import locale
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor
from monai.utils import MetaKeys, SpaceKeys

from ..optional import optional_module
from ..world.files import to_type
from ..world.grid import Grid

SUFFIXES = (".nrrd", ".nhdr", ".mha", ".mhd")
DICOM_SUFFIXES = (".dcm", ".ima")
RAS_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
POSITION_TAG = "0020|0032"
TOLERANCE = 0.02  # of the distance of slices, by which a gap may differ


def is_itk_file(path: str | os.PathLike) -> bool:
    """Whether a name is one for SimpleITK: NRRD, MetaImage, a DICOM file, or a folder.

    Example:
        >>> is_itk_file("t1.nrrd"), is_itk_file("t1.nii.gz")
        (True, False)
    """
    return Path(path).name.lower().endswith((*SUFFIXES, *DICOM_SUFFIXES)) or Path(path).is_dir()


def read_itk_image(path: str | os.PathLike, dtype: type | None = np.float32) -> MetaTensor:
    """Read an image with the header as truth: origin, spacing and direction, LPS turned into RAS.

    Args:
        path: .nrrd, .nhdr, .mha, .mhd; a folder that holds one DICOM series; or one file of a series, which tells the
            series where a folder holds several.
        dtype: of NumPy; None keeps integers, as int64, and float64.

    Returns:
        (C, X, Y, Z), C > 1 for several channels; planes get an axis of one voxel.

    Raises:
        FileNotFoundError: no such file.
        ValueError: for a file that SimpleITK does not read, a folder without or with several series, slices that are
            missing; names the file.
    """
    sitk, path = optional_module("SimpleITK", str(path)), Path(path).expanduser()
    if not path.exists():
        raise FileNotFoundError(f"{path}: expected an image, there is no such file")
    try:
        with kept_locale():
            is_series = path.is_dir() or path.name.lower().endswith(DICOM_SUFFIXES)
            image = _read_series(sitk, path) if is_series else sitk.ReadImage(str(path))
    except RuntimeError as error:
        raise ValueError(f"{path}: expected an image, got a file that SimpleITK does not read") from error
    volume = from_simpleitk(image, dtype)
    volume.meta["filename_or_obj"] = str(path)
    return volume


@contextmanager
def kept_locale() -> Iterator[None]:
    """Gives the process its locale back: reading DICOM sets "C", after which text files are taken for ASCII."""
    kept = locale.setlocale(locale.LC_ALL)
    try:
        yield
    finally:
        locale.setlocale(locale.LC_ALL, kept)


def from_simpleitk(image: Any, dtype: type | None = np.float32) -> MetaTensor:
    """SimpleITK's image as (C, X, Y, Z) with its affine in RAS mm; ``dtype`` as in :func:`read_itk_image`.

    Raises:
        ValueError: for complex voxels, or other than two or three axes.
    """
    sitk = optional_module("SimpleITK", "image")
    if image.GetDimension() not in (2, 3) or "complex" in image.GetPixelIDTypeAsString():
        found = f"{image.GetDimension()} axes of {image.GetPixelIDTypeAsString()}"
        raise ValueError(f"expected two or three axes of real numbers, got {found}")
    if image.GetDimension() == 2:
        image = sitk.JoinSeries(image)
    array = sitk.GetArrayFromImage(image)
    array = array.astype(dtype or (np.int64 if np.issubdtype(array.dtype, np.integer) else np.float64))
    channels = array[None] if array.ndim == 3 else np.moveaxis(array, -1, 0)
    affine = np.eye(4)
    affine[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) * np.array(image.GetSpacing())
    affine[:3, 3] = image.GetOrigin()
    volume = torch.from_numpy(np.ascontiguousarray(channels.transpose(0, 3, 2, 1)))
    meta = {MetaKeys.SPACE: SpaceKeys.RAS, MetaKeys.ORIGINAL_CHANNEL_DIM: float("nan")}
    return MetaTensor(volume, affine=torch.from_numpy(RAS_LPS @ affine), meta=meta)


def to_simpleitk(volume: torch.Tensor, grid: Grid) -> Any:
    """SimpleITK's image of a volume.

    Args:
        volume: (X, Y, Z) or (1, X, Y, Z).
        grid: its grid, whose axes must stand at right angles.

    Raises:
        ValueError: for a sheared grid, which no such image holds.
    """
    sitk, affine = optional_module("SimpleITK", "image"), RAS_LPS @ grid.affine.numpy()
    direction = affine[:3, :3] / np.array(grid.spacing)
    if np.abs(direction.T @ direction - np.eye(3)).max() > 1e-4:
        raise ValueError("expected axes at right angles, as NRRD and MetaImage hold them, got a sheared grid")
    array = volume.detach().cpu().reshape(grid.spatial_shape).numpy().transpose(2, 1, 0)
    image = sitk.GetImageFromArray(np.ascontiguousarray(array))
    image.SetSpacing(grid.spacing)
    image.SetOrigin(affine[:3, 3].tolist())
    image.SetDirection(direction.flatten().tolist())
    return image


def save_itk_image(path: str | os.PathLike, image: torch.Tensor, grid: Grid, dtype: str = "float32") -> None:
    """Write an image as NRRD or MetaImage in one file; it appears whole or not at all.

    Args:
        path: file that ends in .nrrd or .mha.
        image: (X, Y, Z) or (1, X, Y, Z).
        grid: its grid, whose axes must stand at right angles.
        dtype: NumPy name of the type on disk; values are rounded and clipped to an integer type.

    Raises:
        ValueError: for another ending or a sheared grid.
    """
    sitk, path = optional_module("SimpleITK", str(path)), Path(path)
    if path.suffix.lower() not in (".nrrd", ".mha"):
        raise ValueError(f"{path}: expected a file name that ends in .nrrd or .mha")
    written = to_simpleitk(torch.from_numpy(to_type(image.detach().cpu().numpy(), dtype)), grid)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
        temporary = Path(folder) / path.name
        sitk.WriteImage(written, str(temporary), useCompression=True)
        os.replace(temporary, path)


def _read_series(sitk: ModuleType, path: Path) -> Any:
    folder = path if path.is_dir() else path.parent
    found = {uid: sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder), uid) for uid in _series(sitk, folder)}
    if not path.is_dir():
        found = {uid: files for uid, files in found.items() if path.name in {Path(file).name for file in files}}
    if len(found) != 1:
        listed = "; ".join(f"{len(files)} files such as {Path(files[0]).name}" for files in found.values())
        raise ValueError(
            f"{path}: expected one DICOM series, got {len(found)}{': ' + listed if listed else ''}"
            + ("; name a file of the series that is meant" if listed else "")
        )
    (files,) = found.values()
    _check_gaps(sitk, files, path)
    return sitk.ReadImage(files)


def _series(sitk: ModuleType, folder: Path) -> tuple[str, ...]:
    return sitk.ImageSeriesReader.GetGDCMSeriesIDs(str(folder))


def _check_gaps(sitk: ModuleType, files: tuple[str, ...], path: Path) -> None:
    """Refuse a series with missing slices: SimpleITK would place all that follow wrongly."""
    reader, positions = sitk.ImageFileReader(), []
    for file in files:
        reader.SetFileName(file)
        reader.ReadImageInformation()
        if reader.HasMetaDataKey(POSITION_TAG):
            positions.append([float(value) for value in reader.GetMetaData(POSITION_TAG).split("\\")])
    if len(positions) < 3:
        return
    distances = np.linalg.norm(np.diff(np.array(positions), axis=0), axis=1)
    typical = np.median(distances)
    if np.abs(distances - typical).max() > TOLERANCE * typical:
        raise ValueError(
            f"{path}: expected slices at equal distances, got {distances.min():g} to {distances.max():g} mm:"
            " slices are missing or doubled"
        )
