"""Reading volumes at the start of a chain of dictionary transforms."""

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform

from ..data.volume import read_volume


class LoadVolumed(MapTransform):
    """Replaces file names by volumes (1, X, Y, Z), see ``read_volume``.

    A value that is a tensor already stays, so that lists of files and the sample population share one chain.

    Args:
        keys: entries to read.
        nonfinite: ``"error"`` refuses NaN and infinite voxels, ``"zero"`` sets them to 0.
        allow_missing_keys: skip keys that an item lacks.

    Example:
        >>> LoadVolumed("fixed")({"fixed": torch.zeros(1, 2, 2, 2)})["fixed"].shape
        torch.Size([1, 2, 2, 2])
    """

    def __init__(self, keys: KeysCollection, nonfinite: str = "error", allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)
        self.nonfinite = nonfinite

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Returns a copy of the item with its volumes read."""
        item = dict(data)
        for key in self.key_iterator(item):
            if not isinstance(item[key], torch.Tensor):
                item[key] = read_volume(item[key], self.nonfinite)
        return item
