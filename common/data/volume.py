"""One NIfTI volume, read and checked: what a registration needs of any file, and of a file that a user hands in."""

import os
import warnings
import zlib
from itertools import product
from pathlib import Path

import nibabel as nib
import numpy as np
import torch
from monai.data import MetaTensor
from monai.utils import MetaKeys, SpaceKeys
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError

from ..world.grid import image_name

TOLERANCE_MM = 0.1


class VolumeError(ValueError):
    """A file that exists but holds no usable volume; the message names the file, what was expected and found."""


def read_volume(path: str | Path, nonfinite: str = "error") -> MetaTensor:
    """Reads a NIfTI image as it lies on disk: no reorientation, no resampling, scaled values.

    The affine maps voxels to RAS millimeters. It is the sform where one is set, else the qform (nibabel's
    rule). A warning tells where the qform or the voxel size in the header (pixdim) would place a corner of the
    image more than 0.1 mm elsewhere, because tools built on ITK may follow those.

    Args:
        path: a ``.nii`` or ``.nii.gz`` file with three axes; further axes of length 1 are dropped.
        nonfinite: what to do with NaN and infinite voxels: ``"error"`` refuses the file, ``"zero"`` sets them
            to 0.

    Returns:
        The volume (1, X, Y, Z), float32, with its ``affine``.

    Raises:
        FileNotFoundError: no such file.
        VolumeError: an empty, truncated or foreign file; not three axes; color or complex voxels; NaN or
            infinite voxels under ``nonfinite="error"``; an affine that is zero, singular or not finite.
    """
    if nonfinite not in ("error", "zero"):
        raise ValueError(f"nonfinite: expected 'error' or 'zero', got {nonfinite!r}")
    path = Path(path).expanduser()
    image = _open(path)
    _check_voxel_type(image, path)
    _check_shape(image, path)
    _check_affine(image, path)
    _warn_of_disagreement(image, path)
    volume = torch.from_numpy(_read_voxels(image, path))
    _settle_nonfinite(volume, nonfinite, path)
    meta = {
        MetaKeys.AFFINE: torch.tensor(image.affine),
        MetaKeys.ORIGINAL_AFFINE: torch.tensor(image.affine),
        MetaKeys.SPATIAL_SHAPE: np.asarray(image.shape[:3]),
        MetaKeys.SPACE: SpaceKeys.RAS,
        MetaKeys.ORIGINAL_CHANNEL_DIM: float("nan"),
        "filename_or_obj": str(path),
    }
    return MetaTensor(volume, meta=meta)


def _open(path: Path) -> nib.Nifti1Image:
    if not path.is_file():
        raise FileNotFoundError(f"{path}: expected a NIfTI file, found {'a folder' if path.is_dir() else 'nothing'}")
    if path.stat().st_size == 0:
        raise VolumeError(f"{path}: expected a NIfTI file, found an empty file")
    try:
        image = nib.load(path)
    except (ImageFileError, HeaderDataError, OSError, EOFError, ValueError) as error:
        raise VolumeError(f"{path}: expected a NIfTI file, found content that is none ({error})") from error
    if not isinstance(image, nib.Nifti1Pair):
        raise VolumeError(f"{path}: expected a NIfTI file, found {type(image).__name__}")
    return image


def _read_voxels(image: nib.Nifti1Image, path: Path) -> np.ndarray:
    """Voxels (1, X, Y, Z), float32; a value beyond the range of float32 becomes infinite."""
    try:
        with np.errstate(over="ignore"):
            data = image.get_fdata(dtype=np.float32, caching="unchanged")
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise VolumeError(
            f"{path}: expected {np.prod(image.shape)} voxels, found a truncated or damaged file ({error})"
        ) from error
    return np.array(data.reshape(1, *data.shape[:3]), order="C")


def _check_voxel_type(image: nib.Nifti1Image, path: Path) -> None:
    dtype = image.get_data_dtype()
    if dtype.fields is not None or not (np.issubdtype(dtype, np.integer) or np.issubdtype(dtype, np.floating)):
        raise VolumeError(f"{path}: expected one real number per voxel, found the voxel type {dtype}")


def _check_shape(image: nib.Nifti1Image, path: Path) -> None:
    shape = image.shape
    if len(shape) < 3 or any(length != 1 for length in shape[3:]) or 0 in shape:
        raise VolumeError(f"{path}: expected three axes (X, Y, Z), found the shape {tuple(shape)}")


def _check_affine(image: nib.Nifti1Image, path: Path) -> None:
    affine = image.affine
    if not np.isfinite(affine).all() or np.linalg.matrix_rank(affine) < 4:
        kind = "singular" if np.isfinite(affine).all() else "not finite"
        raise VolumeError(f"{path}: expected an invertible affine, found a {kind} one: {affine.tolist()}")


def _warn_of_disagreement(image: nib.Nifti1Image, path: Path) -> None:
    """Warns where another reader may place the image elsewhere than its affine does."""
    codes = {form: int(image.header[f"{form}_code"]) for form in ("sform", "qform")}
    if not any(codes.values()):
        warnings.warn(f"{path}: neither sform nor qform is set, so the orientation is a guess", stacklevel=3)
        return
    ends = np.array([(*corner, 1) for corner in product(*((0, length - 1) for length in image.shape[:3]))]).T
    try:
        others = {"qform": image.header.get_qform()} if all(codes.values()) else {}
    except ValueError as error:
        warnings.warn(f"{path}: the qform cannot be read ({error}); the sform is used", stacklevel=3)
        others = {}
    spacing = np.linalg.norm(image.affine[:3, :3], axis=0)
    zooms = np.asarray(image.header.get_zooms()[:3])
    others["voxel size"] = image.affine @ np.diag([*(zooms / spacing), 1.0])
    for name, other in others.items():
        distance_mm = np.linalg.norm((image.affine - other)[:3] @ ends, axis=0).max()
        if distance_mm > TOLERANCE_MM:
            form = "sform" if codes["sform"] else "qform"
            message = f"{path}: the {name} places a corner {distance_mm:.1f} mm from where the {form} does"
            warnings.warn(f"{message}; the {form} is used", stacklevel=3)


def _settle_nonfinite(volume: torch.Tensor, nonfinite: str, path: Path) -> None:
    bad = ~torch.isfinite(volume)
    if not bad.any():
        return
    if nonfinite == "error":
        raise VolumeError(
            f"{path}: expected finite voxels, found {int(bad.sum())} NaN or infinite of {volume.numel()};"
            " set them to a number in the file, or read it in Python with read_volume(..., nonfinite='zero')"
        )
    volume[bad] = 0.0


HEADERS = ("", "sform", "qform")


def input_image(image: str | os.PathLike | MetaTensor, header: str = "") -> MetaTensor:
    """An image to register, with everything refused that would make the result meaningless.

    Args:
        image: NIfTI file, or a volume (1, X, Y, Z) with its affine.
        header: which form to trust where sform and qform of a file place it differently: "sform" or "qform"; "" refuses
            such a file, as tools differ in which one they follow.

    Returns:
        (1, X, Y, Z), float32.

    Raises:
        FileNotFoundError: no such file.
        ValueError: for what :func:`~common.data.volume.read_volume` refuses, disagreeing forms, a constant image.

    Example:
        >>> input_image(MetaTensor(torch.ones(1, 2, 2, 2)))
        Traceback (most recent call last):
        ValueError: image: expected several intensities, got 1 in all voxels
    """
    volume = input_label(image, header).float()
    if volume.min() == volume.max():
        found = f"{volume.min().item():g} in all voxels"
        raise ValueError(f"{image_name(volume)}: expected several intensities, got {found}")
    return volume


def input_label(image: str | os.PathLike | MetaTensor, header: str = "") -> MetaTensor:
    """The same for a label map, which may be constant."""
    if header not in HEADERS:
        raise ValueError(f"header: expected sform, qform or nothing, got {header!r}")
    if isinstance(image, MetaTensor):
        if image.ndim != 4 or image.shape[0] != 1:
            raise ValueError(f"expected a volume of shape (1, X, Y, Z), got {tuple(image.shape)}")
        return image
    if isinstance(image, torch.Tensor) or not isinstance(image, str | os.PathLike):
        raise TypeError(f"expected a file name or a MetaTensor with an affine, got a {type(image).__name__}")
    with warnings.catch_warnings():
        # What it says of the two forms is an error here, or settled by the user.
        warnings.filterwarnings("ignore", message=".*the qform places a corner")
        volume = read_volume(image)
    forms = _forms(os.path.expanduser(image))
    if len(forms) == 2 and not header:
        distance_mm = _distance_mm(*forms.values(), volume.shape[1:])
        if distance_mm > TOLERANCE_MM:
            raise ValueError(
                f"{image}: expected sform and qform to agree, got corners {distance_mm:.1f} mm apart;"
                " --header sform or --header qform tells which one to trust"
            )
    if header in forms:
        volume.affine = torch.tensor(forms[header])
    return volume


def _forms(path: str) -> dict[str, np.ndarray]:
    """Those of sform and qform that are set."""
    header = nib.load(path).header
    return {
        name: matrix
        for name in ("sform", "qform")
        if (matrix := getattr(header, f"get_{name}")(coded=True)[0]) is not None
    }


def _distance_mm(first: np.ndarray, second: np.ndarray, spatial_shape: tuple[int, ...]) -> float:
    """Largest distance of a corner under two affines."""
    ends = np.array(np.meshgrid(*[[0, size - 1] for size in spatial_shape])).reshape(3, -1)
    return float(np.linalg.norm((first - second)[:3] @ np.vstack([ends, np.ones(8)]), axis=0).max())
