"""Images that a user hands in: files or volumes, checked before any work."""

import os
import warnings

import nibabel as nib
import numpy as np
import torch
from monai.data import MetaTensor

from ..data.volume import TOLERANCE_MM, read_volume

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
        name = volume.meta.get("filename_or_obj", "image")
        raise ValueError(f"{name}: expected several intensities, got {volume.min().item():g} in all voxels")
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
