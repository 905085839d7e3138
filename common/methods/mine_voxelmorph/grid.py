"""From images on their own grids to intensities in [0, 1] on one grid of the network."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import torch
from monai.transforms import Transform

from ...transforms.centered_region import ALIGNMENT_KEY
from ...transforms.intensity import UnitIntensityd
from ...transforms.network_grid import NATIVE_SUFFIX, ToNetworkGridd
from ...words import one_of
from ...world.grid import Grid

ALIGNMENTS = ("world", "center")
DIVISIBLE_BY = 16  # of VoxelMorph-diff


class ToSubjectGridd(Transform):
    """Contrasts and label of a subject on a grid about the center of its first contrast; the originals go.

    Subjects that share no world frame come to lie on each other by their centers; images of one frame and shape, as in
    OASIS, keep their places.

    Args:
        contrasts: keys of the images, the first one gives the center; a name may occur twice.
        spacing_mm: edge of a voxel.
        spatial_shape: voxels, multiples of 16.
        background: see :func:`~common.transforms.intensity.unit_intensity`.

    Raises:
        ValueError: for sizes that are no multiples of 16; for a subject that lacks a contrast, naming both.
    """

    def __init__(
        self, contrasts: Sequence[str], spacing_mm: float, spatial_shape: Sequence[int], background: bool = True
    ) -> None:
        super().__init__()
        if any(size % DIVISIBLE_BY for size in spatial_shape):
            raise ValueError(f"spatial_shape: expected multiples of {DIVISIBLE_BY}, got {list(spatial_shape)}")
        self.contrasts = list(dict.fromkeys(contrasts))
        self.intensity = UnitIntensityd(self.contrasts, background)
        self.grid = ToNetworkGridd(
            [*self.contrasts, "label"],
            self.contrasts[0],
            spacing_mm,
            list(spatial_shape),
            mode=[*["bilinear"] * len(self.contrasts), "nearest"],
            allow_missing_keys=True,
        )

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """The subject on the grid."""
        missing = [contrast for contrast in self.contrasts if contrast not in data]
        if missing:
            raise ValueError(f"subject {data.get('subject', '')}: expected contrast {missing[0]}, which it lacks")
        item = self.grid(self.intensity(data))
        return {key: value for key, value in item.items() if not str(key).endswith(NATIVE_SUFFIX)}


class ToPairGridd(Transform):
    """A pair on a grid that follows from the fixed image; originals, intensities untouched, under ``<key>_native``.

    Args:
        spacing_mm: edge of a voxel of the network's grid; every axis is padded to a multiple of 16 voxels.
        alignment: ``world`` trusts the world frames of the images, ``center`` lays the center of the moving image on
            that of the fixed one; what that shift does goes to ``alignment``, for
            :class:`~common.transforms.centered_region.AddAlignmentd`.
        background: see :func:`~common.transforms.intensity.unit_intensity`.

    Raises:
        ValueError: for another alignment.
    """

    def __init__(self, spacing_mm: float = 1.0, alignment: str = "world", background: bool = True) -> None:
        super().__init__()
        one_of("alignment", alignment, ALIGNMENTS)
        self.alignment = alignment
        self.intensity = UnitIntensityd(("fixed", "moving"), background)
        self.grid = ToNetworkGridd(("fixed", "moving"), "fixed", spacing_mm, divisible_by=DIVISIBLE_BY)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """The item with both images on the grid, ``image``, the originals and the alignment."""
        shift = torch.eye(4, dtype=torch.float64)
        item = self.intensity(data)
        if self.alignment == "center":
            shift[:3, 3] = Grid.from_image(data["moving"]).center - Grid.from_image(data["fixed"]).center
            affine = torch.linalg.inv(shift) @ data["moving"].affine.double().cpu()
            item["moving"] = item["moving"].clone()
            item["moving"].affine = affine
        item = self.grid(item)
        natives = {f"{key}{NATIVE_SUFFIX}": data[key] for key in ("fixed", "moving")}
        image = torch.cat([torch.as_tensor(item["fixed"]), torch.as_tensor(item["moving"])])
        return item | natives | {"image": image, ALIGNMENT_KEY: shift}
