"""From images on their own grids to the network's grid, for centered regions and for scans in one world frame."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform, ScaleIntensityRanged, Transform
from monai.utils import ensure_tuple

from ...transforms.centered_region import ALIGNMENT_KEY, ToCenteredRegiond
from ...transforms.network_grid import NATIVE_SUFFIX, ToNetworkGridd
from ...words import one_of

KINDS = ("region", "ct")
HU_RANGE, CT_RANGE = (-200.0, 300.0), (-0.4, 0.6)  # HU / 500, clamped: in the student's stream as in the teacher's


def pair_input(
    kind: str,
    keys: KeysCollection,
    spatial_shape: Sequence[int],
    pad_mm: int = 64,
    box_mm: Sequence[int] = (48, 64, 48),
    background: float | None = None,
    spacing_mm: float = 2.0,
) -> Transform:
    """Transform that puts images, and labels that go with them, on the network's grid.

    Args:
        kind: "region", small crops laid on each other by their centers, as z-scores; "ct", scans that share a world
            frame, as HU / 500 in [−0.4, 0.6].
        keys: images; the fixed one first.
        spatial_shape: voxels of the network's grid.
        pad_mm: of a region, see :class:`~common.transforms.centered_region.ToCenteredRegiond`.
        box_mm: of a region.
        background: of a region outside the image; None repeats its border.
        spacing_mm: of a CT's grid.

    Returns:
        The transform.

    Raises:
        ValueError: for an unknown kind.

    Example:
        >>> type(pair_input("region", ["image"], (48, 64, 48))).__name__
        'ToCenteredRegiond'
    """
    one_of("preprocessing", kind, KINDS)
    keys = ensure_tuple(keys)
    if kind == "region":
        return ToCenteredRegiond(keys, pad_mm, box_mm, spatial_shape, background)
    return ToCtGridd(keys, spatial_shape, spacing_mm)


class ToCtGridd(MapTransform):
    """CTs of one world frame, and labels that go with them, on the network's grid; HU / 500 in [−0.4, 0.6].

    The originals, in HU, move to ``<key>_native``. The identity as ``alignment`` notes for
    :class:`~common.transforms.centered_region.AddAlignmentd` that images were not moved onto each other.

    Args:
        keys: images in HU, MetaTensors (1, X, Y, Z) with an affine; the fixed one first.
        spatial_shape: voxels of the network's grid.
        spacing_mm: edge of a voxel.

    Example:
        >>> from monai.data import MetaTensor
        >>> item = {"image": MetaTensor(torch.full((1, 4, 4, 4), -1000.0), affine=torch.eye(4))}
        >>> item = ToCtGridd("image", (4, 4, 4), 1.0)(item)
        >>> item["image"].max().item(), item["image_native"].max().item()
        (-0.4..., -1000.0)
    """

    def __init__(self, keys: KeysCollection, spatial_shape: Sequence[int], spacing_mm: float = 2.0) -> None:
        super().__init__(keys)
        labels = ["label"] if self.keys == ("image",) else [f"{key}_label" for key in self.keys]
        self.scale = ScaleIntensityRanged(self.keys, *HU_RANGE, *CT_RANGE, clip=True)
        self.grid = ToNetworkGridd(
            [*self.keys, *labels],
            fixed_key=self.keys[0],
            spacing=spacing_mm,
            spatial_shape=spatial_shape,
            mode=["bilinear"] * len(self.keys) + ["nearest"] * len(labels),
            background=[CT_RANGE[0]] * len(self.keys) + [0.0] * len(labels),
            allow_missing_keys=True,
        )

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """The item on the grid, with the originals and the alignment."""
        item = self.grid(self.scale(data))
        natives = {f"{key}{NATIVE_SUFFIX}": data[key] for key in self.keys}
        return {**item, **natives, ALIGNMENT_KEY: torch.eye(4, dtype=torch.float64)}
