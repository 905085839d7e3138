"""Displacement fields and images on disk, as ITK, ANTs and 3D Slicer read them."""

import gzip
import os
import zlib
from functools import partial
from typing import BinaryIO

import nibabel as nib
import numpy as np
import torch
from nibabel.filebasedimages import ImageFileError

from ..atomic import write_atomically
from .world import Grid

NIFTI_VECTOR_INTENT = 1007
RAS_TO_LPS = np.array([-1.0, -1.0, 1.0], dtype=np.float32)


def save_field(path: str | os.PathLike, field_mm: torch.Tensor, grid: Grid) -> None:
    """Write a displacement field in ITK's form: NIfTI (X, Y, Z, 1, 3), intent 1007 (vector), LPS millimeters.

    The file appears whole or not at all; its folder is created where missing.

    Args:
        path: file that ends in .nii or .nii.gz.
        field_mm: (3, X, Y, Z), RAS mm.
        grid: grid of ``field_mm``.

    Raises:
        ValueError: where the file name or the shape is another.

    Example:
        >>> import tempfile
        >>> path, grid = tempfile.mkdtemp() + "/field.nii.gz", Grid((2, 3, 4), torch.eye(4))
        >>> save_field(path, torch.ones(3, 2, 3, 4), grid)
        >>> nib.load(path).get_fdata()[0, 0, 0, 0].tolist()
        [-1.0, -1.0, 1.0]
    """
    expected = (3, *grid.spatial_shape)
    if tuple(field_mm.shape) != expected:
        raise ValueError(f"{path}: expected a field of shape {expected}, got {tuple(field_mm.shape)}")
    array = field_mm.detach().cpu().movedim(0, -1).numpy().astype(np.float32) * RAS_TO_LPS
    _write(path, array[:, :, :, None, :], grid, intent="vector")


def load_field(path: str | os.PathLike) -> tuple[torch.Tensor, Grid]:
    """Read a displacement field in ITK's form, whether we, ITK, ANTs or 3D Slicer wrote it.

    Args:
        path: NIfTI file, (X, Y, Z, 1, 3), intent 1007, LPS mm.

    Returns:
        Displacement (3, X, Y, Z), float32, RAS mm, and its grid.

    Raises:
        FileNotFoundError: where there is no such file.
        ValueError: where it is not readable or not such a field; names the file.

    Example:
        >>> import tempfile
        >>> path = tempfile.mkdtemp() + "/field.nii.gz"
        >>> save_field(path, torch.ones(3, 2, 3, 4), Grid((2, 3, 4), torch.eye(4)))
        >>> load_field(path)[0].unique().tolist()
        [1.0]
    """
    try:
        image = nib.load(path)
        intent = int(image.header["intent_code"]) if isinstance(image, nib.Nifti1Pair) else None
        shape = image.shape
        if intent != NIFTI_VECTOR_INTENT or len(shape) != 5 or shape[3:] != (1, 3):
            raise ValueError(
                f"expected a displacement field of shape (X, Y, Z, 1, 3) with intent {NIFTI_VECTOR_INTENT},"
                f" got shape {shape} with intent {intent}"
            )
        array = np.asarray(image.dataobj, dtype=np.float32)[:, :, :, 0] * RAS_TO_LPS
        grid = Grid(shape[:3], torch.from_numpy(image.affine))
    except FileNotFoundError:
        raise
    except (ValueError, OSError, EOFError, zlib.error, ImageFileError) as error:
        raise ValueError(f"{path}: {error}") from error
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(array, -1, 0))), grid


def save_image(path: str | os.PathLike, image: torch.Tensor, grid: Grid, dtype: str = "float32") -> None:
    """Write an image on its grid; the file appears whole or not at all.

    Args:
        path: file that ends in .nii or .nii.gz.
        image: (X, Y, Z) or (1, X, Y, Z).
        grid: grid of ``image``.
        dtype: NumPy name of the type on disk; values are rounded and clipped to an integer type.

    Raises:
        ValueError: where the file name or the shape is another.

    Example:
        >>> import tempfile
        >>> path = tempfile.mkdtemp() + "/labels.nii.gz"
        >>> save_image(path, torch.full((2, 3, 4), 7.0), Grid((2, 3, 4), torch.eye(4)), dtype="uint8")
        >>> nib.load(path).get_data_dtype().name, nib.load(path).shape
        ('uint8', (2, 3, 4))
    """
    if tuple(image.shape) not in (grid.spatial_shape, (1, *grid.spatial_shape)):
        raise ValueError(f"{path}: expected an image of shape {grid.spatial_shape}, got {tuple(image.shape)}")
    array = image.detach().cpu().reshape(grid.spatial_shape).numpy()
    if np.issubdtype(np.dtype(dtype), np.integer):
        limits = np.iinfo(dtype)
        array = np.clip(np.rint(array), limits.min, limits.max)
    _write(path, array.astype(dtype), grid, intent="none")


def _write(path: str | os.PathLike, array: np.ndarray, grid: Grid, intent: str) -> None:
    image = nib.Nifti1Image(array, grid.affine.numpy())
    image.header.set_intent(intent)
    image.header.set_xyzt_units("mm")
    # Both forms, code 1 (scanner): readers differ in which one they prefer.
    image.set_sform(grid.affine.numpy(), code=1)
    image.set_qform(grid.affine.numpy(), code=1)
    if str(path).endswith(".nii.gz"):
        write_atomically(path, partial(_write_compressed, image))
    elif str(path).endswith(".nii"):
        write_atomically(path, image.to_stream)
    else:
        raise ValueError(f"{path}: expected a file name that ends in .nii or .nii.gz")


def _write_compressed(image: nib.Nifti1Image, stream: BinaryIO) -> None:
    with gzip.GzipFile(fileobj=stream, mode="wb", compresslevel=1, mtime=0) as compressed:
        image.to_stream(compressed)
