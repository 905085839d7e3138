"""Displacement fields, affine maps and images on disk, as ITK, ANTs, 3D Slicer and Learn2Reg read them."""

import gzip
import os
import re
import zlib
from functools import partial
from pathlib import Path
from typing import BinaryIO

import nibabel as nib
import numpy as np
import torch
from nibabel.filebasedimages import ImageFileError

from ..files import write_atomically
from .grid import Grid, grid_points, slabs
from .resample import resample
from .shear import unsheared
from .units import millimeters_per_unit

NIFTI_VECTOR_INTENT = 1007
FORM_TOLERANCE_MM = 0.05  # between the corners of sform and qform
RAS_TO_LPS = np.array([-1.0, -1.0, 1.0], dtype=np.float32)


def save_field(path: str | os.PathLike, field_mm: torch.Tensor, grid: Grid) -> None:
    """Write a displacement field in ITK's form: NIfTI (X, Y, Z, 1, 3), intent 1007 (vector), LPS millimeters.

    The file appears whole or not at all; its folder is created where missing. ITK reads no grid whose axes are sheared;
    such a field is interpolated on one without shear that covers it.

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
    if not _has_qform(grid):
        target = unsheared(grid)
        field_mm, grid = resample(field_mm, grid, target, background=None), target
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
        to_mm = np.diag([*[millimeters_per_unit(image.header)] * 3, 1.0])  # displacements are in mm in any case
        grid = Grid(shape[:3], torch.from_numpy(to_mm @ image.affine))
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
    _write(path, to_type(array, dtype), grid, intent="none")


def to_type(array: np.ndarray, dtype: str) -> np.ndarray:
    """Values of another type, rounded and clipped to an integer type.

    Example:
        >>> to_type(np.array([0.6, 300.0]), "uint8").tolist()
        [1, 255]
    """
    if np.issubdtype(np.dtype(dtype), np.integer):
        limits = np.iinfo(dtype)
        array = np.clip(np.rint(array), limits.min, limits.max)
    return array.astype(dtype)


def label_type(largest: int) -> str:
    """NumPy name of the smallest type on disk that holds labels up to a number.

    Example:
        >>> label_type(255), label_type(300), label_type(614454277), label_type(2**31)
        ('uint8', 'int16', 'int32', 'int64')
    """
    return next(name for name in ("uint8", "int16", "int32", "int64") if largest <= np.iinfo(name).max)


def nifti(array: np.ndarray, grid: Grid) -> nib.Nifti1Image:
    """An image on a grid that all readers place alike: sform and qform of code 1, millimeters.

    A qform holds no shear, and readers differ in which form they prefer: a sheared grid has an sform alone.

    Args:
        array: (X, Y, Z, …).
        grid: its grid.
    """
    image = nib.Nifti1Image(array, grid.affine.numpy(), dtype=array.dtype)
    image.header.set_xyzt_units("mm")
    image.set_sform(grid.affine.numpy(), code=1)
    image.set_qform(grid.affine.numpy(), code=1 if _has_qform(grid) else 0)
    return image


def _has_qform(grid: Grid) -> bool:
    """Whether a rotation, a flip and the voxel size describe a grid."""
    header, centered = nib.Nifti1Header(), grid.affine.numpy().copy()
    centered[:3, 3] = 0.0  # which both forms hold alike
    header.set_qform(centered, code=1)
    found = Grid(grid.spatial_shape, torch.from_numpy(header.get_qform()))
    return found.coincides_with(Grid(grid.spatial_shape, torch.from_numpy(centered)), FORM_TOLERANCE_MM)


def _write(path: str | os.PathLike, array: np.ndarray, grid: Grid, intent: str) -> None:
    image = nifti(array, grid)
    image.header.set_intent(intent)
    if str(path).endswith(".nii.gz"):
        write_atomically(path, partial(compressed, image))
    elif str(path).endswith(".nii"):
        write_atomically(path, image.to_stream)
    else:
        raise ValueError(f"{path}: expected a file name that ends in .nii or .nii.gz")


def compressed(image: nib.Nifti1Image, stream: BinaryIO) -> None:
    """Write a NIfTI image to a stream, compressed; the same content gives the same bytes."""
    with gzip.GzipFile(fileobj=stream, mode="wb", compresslevel=1, mtime=0) as compressed:
        image.to_stream(compressed)


HEADER = "#Insight Transform File V1.0\n#Transform 0\nTransform: AffineTransform_double_3_3\n"


def save_affine(path: str | os.PathLike, matrix: torch.Tensor) -> None:
    """Write a world matrix as an ITK text transform: from fixed to moving points, LPS mm.

    The 12 parameters are the rows of the linear part, then the translation; the center of rotation is the origin.

    Args:
        path: file that ends in .tfm.
        matrix: (4, 4), RAS mm.

    Example:
        >>> import tempfile
        >>> path, matrix = tempfile.mkdtemp() + "/affine.tfm", torch.eye(4).double()
        >>> matrix[0, 3] = 2.5
        >>> save_affine(path, matrix)
        >>> Path(path).read_text().splitlines()[3]
        'Parameters: 1 0 0 0 1 0 0 0 1 -2.5 0 0'
    """
    flip = torch.diag(torch.tensor([*RAS_TO_LPS.tolist(), 1.0], dtype=torch.float64))
    lps = flip @ matrix.double().cpu() @ flip
    # Adding 0 turns −0 into 0.
    parameters = [value + 0.0 for value in (*lps[:3, :3].flatten().tolist(), *lps[:3, 3].tolist())]
    text = f"{HEADER}Parameters: {' '.join(f'{value:.17g}' for value in parameters)}\nFixedParameters: 0 0 0\n"
    write_atomically(path, lambda stream: stream.write(text.encode()))


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
    write_atomically(path, partial(compressed, nifti(displacements, grid)))
