"""Volumes and pairs of volumes read at the start of a chain of dictionary transforms."""

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform

from ..data.label_map import label_of_image
from ..data.volume import input_image, input_label, input_volume, read_volume
from ..world.alignment import check_overlap
from ..world.grid import image_name
from .network_grid import NATIVE_SUFFIX


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


IMAGES, MASKS = ("fixed", "moving"), ("fixed_mask", "moving_mask")
LABEL = "moving_label"


class LoadPaird(LoadVolumed):
    """Replaces the file names of a pair by volumes (1, X, Y, Z), and refuses what would make the result meaningless.

    Reads ``fixed`` and ``moving`` and, where an item has them, ``fixed_mask``, ``moving_mask`` and ``moving_label``.
    The label map of the moving image needs no network's grid: it goes to ``moving_label_native``, where
    :class:`~.output.WarpMovingd` looks for it. That of the fixed image, which nothing needs, goes.

    Args:
        overlapping: whether the images must have a part of world space in common; not where their centers are laid on
            each other.
        header: which form to trust where sform and qform of a file disagree, see
            :func:`~common.data.volume.input_image`.

    Raises:
        ValueError: for what :func:`~common.data.volume.input_image` refuses; for a label map of values that are
            no labels or lies elsewhere; for images that do not overlap, naming both files.

    Example:
        >>> image = MetaTensor(torch.rand(1, 2, 2, 2), affine=torch.eye(4))
        >>> sorted(LoadPaird()({"fixed": image, "moving": image, "moving_label": image.round()}))
        ['fixed', 'moving', 'moving_label_native']
    """

    def __init__(self, overlapping: bool = True, header: str = "") -> None:
        super().__init__((*IMAGES, *MASKS, LABEL), allow_missing_keys=True)
        self.overlapping, self.header = overlapping, header

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Returns a copy of the item with its volumes read."""
        item = {key: value for key, value in data.items() if key not in ("fixed_label", LABEL)}
        item |= {key: input_image(data[key], self.header) for key in IMAGES}
        item |= {key: input_volume(data[key], self.header) for key in MASKS if key in data}
        if LABEL in data:
            item[f"{LABEL}{NATIVE_SUFFIX}"] = label_of_image(input_label(data[LABEL], self.header), item["moving"])
        if self.overlapping:
            _check_overlap(item["fixed"], item["moving"])
        return item


def _check_overlap(fixed: MetaTensor, moving: MetaTensor) -> None:
    try:
        check_overlap(fixed, moving, torch.eye(4, dtype=torch.float64))
    except ValueError as error:
        names = (image_name(fixed, "fixed"), image_name(moving, "moving"))
        raise ValueError(f"{' and '.join(names)}: {error} in scripts/register.py") from error
