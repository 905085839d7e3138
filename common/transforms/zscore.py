"""Intensities of a volume with mean 0 and standard deviation 1."""

from collections.abc import Hashable, Mapping
from typing import Any

from monai.config import KeysCollection
from monai.transforms import MapTransform


class ZScored(MapTransform):
    """Subtract the mean of each volume and divide by its standard deviation.

    MONAI's NormalizeIntensityd lets a constant image pass; here it is an error, as nothing in it can be registered.

    Args:
        keys: images (1, X, Y, Z).

    Raises:
        ValueError: for a constant image; names its file.

    Example:
        >>> import torch
        >>> ZScored("image")({"image": torch.tensor([[[[1.0, 3.0]]]])})["image"].tolist()
        [[[[-1.0, 1.0]]]]
    """

    def __init__(self, keys: KeysCollection):
        super().__init__(keys)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """The item with normalized images."""
        item = dict(data)
        for key in self.keys:
            image = item[key]
            if image.max() == image.min():
                name = getattr(image, "meta", {}).get("filename_or_obj", key)
                raise ValueError(f"{name}: expected an image with some contrast, got {image.max():g} everywhere")
            deviation = image.double().std(correction=0)
            item[key] = ((image - image.double().mean()) / deviation).to(image.dtype)
        return item
