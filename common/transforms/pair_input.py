"""From images on their own grids to the network's grid, for centered regions and for scans in one world frame."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import torch
from monai.config import KeysCollection
from monai.transforms import Compose, ScaleIntensityRanged, Transform
from monai.utils import ensure_tuple

from .centered_region import ALIGNMENT_KEY, ToCenteredRegiond
from .network_grid import ToNetworkGridd

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
        pad_mm: of a region, see :class:`~.centered_region.ToCenteredRegiond`.
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
    keys = ensure_tuple(keys)
    if kind == "region":
        return ToCenteredRegiond(keys, pad_mm, box_mm, spatial_shape, background)
    if kind != "ct":
        raise ValueError(f"preprocessing: expected one of {', '.join(KINDS)}, got {kind!r}")
    scale = ScaleIntensityRanged(keys, *HU_RANGE, *CT_RANGE, clip=True)
    labels = ["label"] if keys == ("image",) else [f"{key}_label" for key in keys]
    to_grid = ToNetworkGridd(
        [*keys, *labels],
        fixed_key=keys[0],
        spacing=spacing_mm,
        spatial_shape=spatial_shape,
        mode=["bilinear"] * len(keys) + ["nearest"] * len(labels),
        background=[CT_RANGE[0]] * len(keys) + [0.0] * len(labels),
        allow_missing_keys=True,
    )
    return Compose([scale, to_grid, InOneWorldFrame()])


class InOneWorldFrame(Transform):
    """Note for :class:`~.centered_region.AddAlignmentd` that images were not moved onto each other."""

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """The item with the identity as ``alignment``."""
        return {**data, ALIGNMENT_KEY: torch.eye(4, dtype=torch.float64)}
