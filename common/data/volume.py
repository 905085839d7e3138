"""One NIfTI volume, read and checked: what a registration needs of any file, and of a file that a user hands in."""

import os
import warnings
import zlib
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import torch
from monai.data import MetaTensor
from monai.utils import MetaKeys, SpaceKeys

from ..world.grid import PLACE_KEY, image_name
from .header import (
    TOLERANCE_MM,
    VolumeError,
    affine_mm,
    distance_mm,
    forms_mm,
    open_nifti,
    value_step,
    warn_of_disagreement,
)
from .in_memory import as_metatensor
from .itk_images import is_itk_file, read_itk_image
from .label_map import STEP_KEY, whole_numbers
from .no_data import fill_ct_padding, fill_nan_background

__all__ = ["TOLERANCE_MM", "VolumeError", "input_image", "input_label", "input_volume", "read_volume"]
HEADERS = ("", "sform", "qform")


def read_volume(path: str | Path, nonfinite: str = "error") -> MetaTensor:
    """Reads a NIfTI image as it lies on disk: no reorientation, no resampling, scaled values.

    The affine maps voxels to RAS millimeters, whatever unit the file has. It is the sform where one is set, else the
    qform (nibabel's rule), else what ITK takes. A warning tells where the qform or the voxel size in the header
    (pixdim) would place a corner of the image more than 0.1 mm elsewhere, because tools built on ITK may follow those.

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
    volume = _read(Path(path).expanduser(), np.float32)
    if nonfinite == "zero":
        volume[~torch.isfinite(volume)] = 0.0
    _check_finite(volume)
    return volume


def _read(path: Path, dtype: type | None, frame: int | None = None) -> MetaTensor:
    """A volume whose voxels may be NaN; ``dtype`` None keeps the integers of a file, and float64 of scaled ones."""
    image = open_nifti(path)
    step = value_step(image)
    if len(image.shape) == 2:
        image = nib.Nifti1Image(np.asarray(image.dataobj)[..., None], image.affine, image.header)
    if len(image.shape) == 4 and image.shape[3] > 1 and frame is not None:
        image = image.slicer[..., _checked_frame(frame, image.shape[3], path)]
    _check_voxel_type(image, path)
    _check_shape(image, path)
    affine = affine_mm(image, path)
    warn_of_disagreement(image, affine, path)
    meta = {
        MetaKeys.AFFINE: torch.tensor(affine),
        MetaKeys.ORIGINAL_AFFINE: torch.tensor(affine),
        MetaKeys.SPATIAL_SHAPE: np.asarray(image.shape[:3]),
        MetaKeys.SPACE: SpaceKeys.RAS,
        MetaKeys.ORIGINAL_CHANNEL_DIM: float("nan"),
        PLACE_KEY: bool(forms_mm(image, path)),
        STEP_KEY: step,
        "filename_or_obj": str(path),
    }
    return MetaTensor(torch.from_numpy(_read_voxels(image, path, dtype)), meta=meta)


def _read_voxels(image: nib.Nifti1Pair, path: Path, dtype: type | None) -> np.ndarray:
    """Voxels (1, X, Y, Z); a value beyond the range of float32 becomes infinite."""
    try:
        with np.errstate(over="ignore"):
            data = np.asarray(image.dataobj) if dtype is None else image.get_fdata(dtype=dtype, caching="unchanged")
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise VolumeError(
            f"{path}: expected {np.prod(image.shape)} voxels, found a truncated or damaged file ({error})"
        ) from error
    if dtype is None:
        data = data.astype(np.int64 if np.issubdtype(data.dtype, np.integer) else np.float64)
    return np.array(data.reshape(1, *data.shape[:3]), order="C")


def _check_voxel_type(image: nib.Nifti1Pair, path: Path) -> None:
    dtype = image.get_data_dtype()
    if dtype.fields is not None or not (np.issubdtype(dtype, np.integer) or np.issubdtype(dtype, np.floating)):
        raise VolumeError(f"{path}: expected one real number per voxel, found the voxel type {dtype}")


def _check_shape(image: nib.Nifti1Pair, path: Path) -> None:
    shape = image.shape
    if len(shape) < 3 or any(length != 1 for length in shape[3:]) or 0 in shape:
        hint = "; --frame N takes one of its volumes" if len(shape) == 4 and 0 not in shape else ""
        raise VolumeError(f"{path}: expected three axes (X, Y, Z), found the shape {tuple(shape)}{hint}")


def _check_finite(volume: MetaTensor) -> None:
    count = int((~torch.isfinite(volume.as_tensor())).sum())
    if count:
        raise VolumeError(
            f"{image_name(volume)}: expected finite voxels, found {count} NaN or infinite of {volume.numel()};"
            " set them to a number in the file, or read it in Python with read_volume(..., nonfinite='zero')"
        )


def input_image(image: Any, header: str = "", frame: int | None = None) -> MetaTensor:
    """An image to register, with everything refused that would make the result meaningless.

    NaN around a masked image and the padding of a CT are no anatomy: they become background and air, with a warning.

    Args:
        image: file of NIfTI, or of what :func:`~.itk_images.read_itk_image` takes; or an image in memory, see
            :func:`~.in_memory.as_metatensor`.
        header: which form to trust where sform and qform of a file place it differently: "sform" or "qform"; "" refuses
            such a file, as tools differ in which one they follow.
        frame: number, from 0, of a volume of a series or of a channel; not used for a single volume.

    Returns:
        (1, X, Y, Z), float32; a plane has an axis of one voxel.

    Raises:
        FileNotFoundError: no such file.
        ValueError: for what :func:`~common.data.volume.read_volume` refuses, disagreeing forms, a constant image.

    Example:
        >>> input_image(MetaTensor(torch.ones(1, 2, 2, 2)))
        Traceback (most recent call last):
        ValueError: image: expected several intensities, got 1 in all voxels
    """
    volume = input_volume(image, header, frame=frame)
    filled = fill_ct_padding(volume.as_tensor(), image_name(volume))
    volume = MetaTensor(filled, meta=volume.meta)
    if volume.min() == volume.max():
        found = f"{volume.min().item():g} in all voxels"
        raise ValueError(f"{image_name(volume)}: expected several intensities, got {found}")
    return volume


def input_volume(image: Any, header: str = "", is_exact: bool = False, frame: int | None = None) -> MetaTensor:
    """The same for an image or a mask that nothing is registered by, which may be constant and have any padding.

    ``is_exact`` keeps integers, as int64 from a file, and float64; all else becomes float32.
    """
    volume = _given(image, header, None if is_exact else np.float32, frame)
    values = volume.as_tensor()
    if values.is_complex():
        raise ValueError(f"{image_name(volume)}: expected one real number per voxel, got {values.dtype}")
    values = values if is_exact else values.float()
    if values.is_floating_point():
        values = fill_nan_background(values, None, image_name(volume))
    volume = MetaTensor(values, meta=volume.meta)
    _check_finite(volume)
    return volume


def input_label(label: Any, header: str = "") -> MetaTensor:
    """The same for a label map, whose numbers are kept exactly: (1, X, Y, Z), int32, or int64 where that is needed."""
    volume = _given(label, header, None)
    name = image_name(volume, "label map")
    values = volume.as_tensor()
    if values.is_floating_point():
        values = fill_nan_background(values, 0.0, name)
    return MetaTensor(whole_numbers(values, name, volume.meta.get(STEP_KEY, 0.0)), meta=volume.meta)


def _given(image: Any, header: str, dtype: type | None, frame: int | None = None) -> MetaTensor:
    """What was handed in, read where it is a file."""
    if header not in HEADERS:
        raise ValueError(f"header: expected sform, qform or nothing, got {header!r}")
    if not isinstance(image, str | os.PathLike):
        return _one_volume(as_metatensor(image), frame)
    path = Path(image).expanduser()
    if is_itk_file(path):
        return _one_volume(read_itk_image(path, dtype), frame)
    with warnings.catch_warnings():
        # What it says of the two forms is an error here, or settled by the user.
        warnings.filterwarnings("ignore", message=".*the qform places a corner")
        volume = _read(path, dtype, frame)
    forms = forms_mm(open_nifti(path), path)
    if len(forms) == 2 and not header:
        distance = distance_mm(*forms.values(), volume.shape[1:])
        if distance > TOLERANCE_MM:
            raise ValueError(
                f"{image}: expected sform and qform to agree, got corners {distance:.1f} mm apart;"
                " --header sform or --header qform tells which one to trust"
            )
    if header in forms:
        volume.affine = torch.tensor(forms[header])
    return volume


def _one_volume(image: MetaTensor, frame: int | None) -> MetaTensor:
    """One channel of an image, with its affine to RAS."""
    if image.ndim == 4 and image.shape[0] > 1 and frame is not None:
        number = _checked_frame(frame, image.shape[0], image_name(image))
        image = image[number : number + 1]
    if image.ndim != 4 or image.shape[0] != 1:
        hint = "; frame chooses a channel" if image.ndim == 4 else ""
        raise ValueError(
            f"{image_name(image)}: expected a volume of shape (1, X, Y, Z), got {tuple(image.shape)}{hint}"
        )
    space = str(image.meta.get(MetaKeys.SPACE, SpaceKeys.RAS))
    if space != SpaceKeys.RAS:
        raise ValueError(
            f"{image_name(image)}: expected an affine to RAS, got one to {space} in its meta data; MONAI's LoadImage"
            " gives RAS with affine_lps_to_ras=True"
        )
    return image


def _checked_frame(frame: int, count: int, name: str | Path) -> int:
    if not 0 <= frame < count:
        raise ValueError(f"{name}: expected a frame from 0 to {count - 1}, got {frame}")
    return frame
