"""Images that other libraries hold in memory."""

import warnings
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor
from nibabel.spatialimages import SpatialImage

from ..words import InputWarning
from .header import value_step
from .itk_images import from_simpleitk
from .label_map import STEP_KEY

KNOWN = "a file name, a MetaTensor, an image of nibabel or SimpleITK, an array, or an array and its affine"


def as_metatensor(image: Any) -> MetaTensor:
    """An image in memory as (C, X, Y, Z) with its affine in RAS mm.

    Args:
        image: MetaTensor; an image of nibabel or SimpleITK; (array, affine) with an array (X, Y, Z); or such an array
            alone, of NumPy or PyTorch, whose voxels are taken to be 1 mm, which a warning says.

    Raises:
        TypeError: for anything else.
        ValueError: for an array without three axes.

    Example:
        >>> as_metatensor((np.zeros((2, 3, 4)), np.diag([2.0, 2.0, 2.0, 1.0]))).shape
        torch.Size([1, 2, 3, 4])
    """
    if isinstance(image, MetaTensor):
        return image
    if isinstance(image, SpatialImage):
        volume = _volume(np.asarray(image.dataobj), image.affine)
        volume.meta["filename_or_obj"] = image.get_filename() or "image"
        volume.meta[STEP_KEY] = value_step(image)
        return volume
    if type(image).__module__.startswith("SimpleITK"):
        return from_simpleitk(image)
    if isinstance(image, tuple) and len(image) == 2:
        return _volume(*image)
    if isinstance(image, np.ndarray | torch.Tensor):
        warnings.warn(
            "an array without affine: its voxels are taken to be 1 mm, its axes RAS", InputWarning, stacklevel=4
        )
        return _volume(image, np.eye(4))
    raise TypeError(f"expected {KNOWN}, got a {type(image).__name__}")


def _volume(array: np.ndarray | torch.Tensor, affine: np.ndarray | torch.Tensor) -> MetaTensor:
    array = torch.as_tensor(np.asarray(array))
    if array.ndim == 4 and array.shape[3] > 1:
        array = array.movedim(3, 0)
    elif array.ndim >= 3 and all(size == 1 for size in array.shape[3:]):
        array = array.reshape(1, *array.shape[:3])
    else:
        raise ValueError(f"expected an array with three axes (X, Y, Z), got the shape {tuple(array.shape)}")
    return MetaTensor(array, affine=torch.as_tensor(np.asarray(affine), dtype=torch.float64))
