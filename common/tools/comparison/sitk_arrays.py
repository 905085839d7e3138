"""Arrays as images of SimpleITK, with voxels of 1 mm and the axes of the arrays, and fields back."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import SimpleITK as sitk  # noqa: N813


def sitk_images(*arrays: np.ndarray) -> "list[sitk.Image]":
    """Images of arrays (X, Y, Z)."""
    import SimpleITK as sitk  # noqa: N813

    return [sitk.GetImageFromArray(np.ascontiguousarray(x.T, dtype=np.float32)) for x in arrays]


def sitk_ddf(field: "sitk.Image") -> np.ndarray:
    """Displacement field of such an image as an array (X, Y, Z, 3)."""
    import SimpleITK as sitk  # noqa: N813

    return sitk.GetArrayFromImage(field).transpose(2, 1, 0, 3)
