"""Intensities made comparable: above the background, in [0, 1], as z-scores."""

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform

from ..quantiles import background_level, sampled_quantiles
from ..world.grid import image_name

PERCENTILE = 99.9
MAX_VOXELS = 2**22  # the percentile is taken of at most so many


def unit_intensity(image: torch.Tensor, background: bool = True, name: str = "image") -> torch.Tensor:
    """Level of the background to 0, 99.9th percentile to 1, clamped to [0, 1].

    Args:
        image: (1, X, Y, Z), any unit.
        background: whether a border of background surrounds the object, see
            :func:`subtract_background`; else the minimum becomes 0.
        name: of the image, for the error.

    Returns:
        The same shape, float32.

    Raises:
        ValueError: for a constant image, in which nothing can be registered.

    Example:
        >>> unit_intensity(torch.tensor([[[[10.0, 20.0, 30.0]]]]), background=False).tolist()
        [[[[0.0, 0.5..., 1.0]]]]
    """
    if image.max() == image.min():
        raise ValueError(f"{name}: expected an image with some contrast, got {image.max().item():g} everywhere")
    values = subtract_background(image.float()) if background else image.float() - image.min()
    (top,) = sampled_quantiles(values, [PERCENTILE / 100], MAX_VOXELS)
    top = float(top) if top > 0 else float(values.max())
    if top <= 0:
        raise ValueError(f"{name}: expected an object brighter than its background, got none")
    return (values / top).clamp(0, 1)


class UnitIntensityd(MapTransform):
    """:func:`unit_intensity` of the images under some keys.

    Args:
        keys: images, MetaTensors (1, X, Y, Z).
        background: see :func:`unit_intensity`.
        allow_missing_keys: pass over keys that an item lacks.
    """

    def __init__(self, keys: KeysCollection, background: bool = True, allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)
        self.background = background

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """The item with its images in [0, 1]."""
        item = dict(data)
        for key in self.key_iterator(item):
            item[key] = unit_intensity(item[key], self.background, image_name(item[key], str(key)))
        return item


def z_score(image: MetaTensor, inside: torch.Tensor | None = None) -> MetaTensor:
    """(image − mean) / standard deviation, over all voxels or over some.

    Args:
        image: (1, X, Y, Z), any unit.
        inside: where mean and deviation are taken, (1, X, Y, Z), bool; None for everywhere.

    Returns:
        The same shape and dtype, without unit.

    Raises:
        ValueError: for a constant image, in which nothing can be registered; names its file.

    Example:
        >>> z_score(MetaTensor(torch.tensor([[[[1.0, 3.0]]]]))).tolist()
        [[[[-1.0, 1.0]]]]
    """
    values = image.as_tensor() if inside is None else image.as_tensor()[inside]
    if values.max() == values.min():
        raise ValueError(
            f"{image_name(image)}: expected an image with some contrast, got {values.max().item():g} everywhere"
        )
    mean, deviation = values.double().mean(), values.double().std(correction=0)
    return ((image.double() - mean) / deviation).to(torch.promote_types(image.dtype, torch.float32))


NOISE_SHARE = 0.02  # of the range of intensities; smaller differences from the background's level are noise


def subtract_background(volume: torch.Tensor) -> torch.Tensor:
    """Shift intensities so that the background is 0, as patches have it beyond the border of a volume.

    The level of the background is :func:`background_level`; what differs from it by no more than
    2 % of the range becomes exactly 0. An image whose background is 0 without noise stays as it is.

    Args:
        volume: (1, X, Y, Z).

    Returns:
        (1, X, Y, Z).

    Example:
        >>> volume = torch.full((1, 5, 5, 5), 7.0)
        >>> volume[0, 2, 2, 2] = 107.0
        >>> subtract_background(volume).unique().tolist()
        [0.0, 100.0]
    """
    shifted = volume - background_level(volume)
    noise = NOISE_SHARE * (volume.max() - volume.min())
    return torch.where(shifted.abs() > noise, shifted, torch.zeros_like(shifted))
