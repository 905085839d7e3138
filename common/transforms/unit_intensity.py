"""Intensities of a volume in [0, 1]."""

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform

from .background import subtract_background

PERCENTILE = 99.9
MAX_VOXELS = 2**22  # the percentile is taken of at most so many


def unit_intensity(image: torch.Tensor, background: bool = True, name: str = "image") -> torch.Tensor:
    """Level of the background to 0, 99.9th percentile to 1, clamped to [0, 1].

    Args:
        image: (1, X, Y, Z), any unit.
        background: whether a border of background surrounds the object, see
            :func:`~.background.subtract_background`; else the minimum becomes 0.
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
    voxels = values.flatten()
    top = voxels[:: 1 + len(voxels) // MAX_VOXELS].quantile(PERCENTILE / 100)
    top = float(top) if top > 0 else float(voxels.max())
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
            meta = getattr(item[key], "meta", {})
            item[key] = unit_intensity(item[key], self.background, str(meta.get("filename_or_obj", key)))
        return item
