"""Voxels that hold no data: NaN around a masked image, padding beyond the circle of a CT scanner."""

import warnings

import numpy as np
import torch
from scipy import ndimage

from ..words import InputWarning

LEAST_HU = -1024.0  # of scanners that store 12 bits; below it nothing was measured
AIR_HU = (-1100.0, -800.0)
PADDING_HU = -1200.0  # padding lies below; noise of air does not
PADDING_SHARE = 0.001  # of the voxels that hold one and the same value, at least
BETWEEN_SHARE = 0.1  # of voxels between padding and air to those of padding, at most: what interpolation makes


def fill_nan_background(volume: torch.Tensor, value: float | None, name: str) -> torch.Tensor:
    """A volume whose NaN background is set to a number, with a warning; others stay as they are.

    NaN voxels are background where most of them hang together with the border of the image, as a mask leaves them;
    holes in the mask are then filled too.

    Args:
        volume: (1, X, Y, Z), floating dtype.
        value: of the background; None takes the least of the other voxels, or 0 where none is below.
        name: of the image, for the warning.

    Returns:
        The same shape; it still has NaN where these are no background.

    Example:
        >>> volume = torch.full((1, 5, 5, 5), torch.nan)
        >>> volume[0, 1:4, 1:4, 1:4] = 7.0
        >>> fill_nan_background(volume, None, "head.nii").unique().tolist()
        [0.0, 7.0]
    """
    missing = volume.isnan()
    if not missing.any() or missing.all():
        return volume
    parts, _ = ndimage.label(missing[0].cpu().numpy())
    faces = np.unique(np.concatenate([parts.take(place, axis).ravel() for axis in range(3) for place in (0, -1)]))
    outside = int(np.isin(parts, faces[faces > 0]).sum())
    count = int(missing.sum())
    if outside < max(count / 2, min(parts.shape) ** 2):
        return volume
    if value is None:
        value = min(volume[~missing].min().item(), 0.0)
    inner = f", {count - outside} of them inside," if count > outside else ""
    _warn(f"{name}: {count} voxels of {volume.numel()} are NaN{inner} and are taken for background, {value:g}")
    return volume.masked_fill(missing, value)


def fill_ct_padding(volume: torch.Tensor, name: str) -> torch.Tensor:
    """A CT whose padding is set to the level of its air, with a warning; other images stay as they are.

    Padding is one value below all Hounsfield units in at least a thousandth of the voxels, -3024 or -2000 mostly,
    where nearly all other voxels are Hounsfield units with air among them. Left as it is, its edge is the strongest
    of the image, and the other image has nothing there.

    Args:
        volume: (1, X, Y, Z), floating dtype.
        name: of the image, for the warning.

    Returns:
        The same shape.

    Example:
        >>> ct = torch.tensor([-3024.0] * 9 + [-1000.0] * 9 + [40.0] * 9).view(1, 3, 3, 3)
        >>> fill_ct_padding(ct, "ct.nii").unique().tolist()
        [-1000.0, 40.0]
    """
    least = volume.min()
    if least >= PADDING_HU:
        return volume
    below, padding = volume < AIR_HU[0], volume == least
    num_padding, num_between = int(padding.sum()), int((below & ~padding).sum())
    air = volume[(volume >= AIR_HU[0]) & (volume <= AIR_HU[1])]
    if num_padding < PADDING_SHARE * volume.numel() or num_between > BETWEEN_SHARE * num_padding or not len(air):
        return volume
    level = max(air.median().item(), LEAST_HU)
    found = f"{num_padding} voxels of {volume.numel()} hold {least.item():g}, less than any Hounsfield unit"
    _warn(f"{name}: {found}; they are taken for air, {level:g}")
    return volume.masked_fill(below, level)


def _warn(sentence: str) -> None:
    warnings.warn(sentence, InputWarning, stacklevel=4)
