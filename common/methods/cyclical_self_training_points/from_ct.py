"""From a pair of chest CTs to keypoint clouds, and from keypoint displacements to a field in world space."""

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.data import MetaTensor
from monai.transforms import Transform

from ...transforms.network_grid import NATIVE_SUFFIX
from ...world.grid import Grid, image_name, on_grid
from ...world.resample import ddf_to_field_mm, resample
from .foerstner import foerstner_keypoints
from .lung_mask import lung_mask
from .sample import MM_PER_UNIT
from .spline import ThinPlateSpline

FROM_RAS = torch.tensor([[0.0, 0.0, 1.0], [0.0, -1.0, 0.0], [-1.0, 0.0, 0.0]], dtype=torch.float64)
"""World RAS → axes of the clouds: superior, posterior, left, as in the training data."""


class KeypointsFromCtd(Transform):
    """Förstner keypoints of both images, in one frame of units.

    A point p, RAS mm, has the coordinates x = F (p − c) / mm_per_unit, F to the axes superior, posterior, left and c
    the middle of the fixed keypoints. Masks come from ``fixed_mask`` and ``moving_mask`` (any value above 0.5) where an
    item has them, otherwise from :func:`~.lung_mask.lung_mask`. The images move to ``<side>_native``.

    Args:
        spacing_mm: grid of the search, see :func:`~.foerstner.foerstner_keypoints`; authors' code: 1.25 to 1.75 mm.
        fixed_window: authors' code: 5.
        moving_window: authors' code: 3, which gives about twice as many points.
        max_points: of each cloud.

    Raises:
        DomainError: for an image that is no chest CT; names it.
        ValueError: for an empty mask.
    """

    def __init__(
        self, spacing_mm: float = 1.5, fixed_window: int = 9, moving_window: int = 7, max_points: int = 4096
    ) -> None:
        super().__init__()
        for name, window in (("fixed_window", fixed_window), ("moving_window", moving_window)):
            if window < 1 or window % 2 == 0:
                raise ValueError(f"{name}: expected an odd number of voxels, got {window}")
        self.spacing_mm, self.max_points = spacing_mm, max_points
        self.windows = {"fixed": fixed_window, "moving": moving_window}

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """The item with ``fixed_points``, ``moving_points``, ``mm_per_unit`` and ``center_mm``."""
        item = dict(data)
        points_mm = {}
        for side, window in self.windows.items():
            image = item[side]
            mask = self._mask(item, side)
            points_mm[side] = foerstner_keypoints(image, mask, self.spacing_mm, window, self.max_points)
            item[f"{side}{NATIVE_SUFFIX}"] = image
        fixed = points_mm["fixed"]
        if len(fixed) == 0 or len(points_mm["moving"]) == 0:
            raise ValueError(f"{image_name(item['fixed'])}: expected keypoints in both masks, got none")
        item["center_mm"] = (fixed.amin(0) + fixed.amax(0)) / 2
        item["mm_per_unit"] = torch.tensor(MM_PER_UNIT)
        for side, points in points_mm.items():
            item[f"{side}_points"] = world_to_units(points, item["center_mm"], item["mm_per_unit"])
        item["name"] = item.get("name", "")
        return item

    def _mask(self, item: Mapping, side: str) -> torch.Tensor:
        image = item[side]
        if f"{side}_mask" not in item:
            return lung_mask(image)
        mask = item[f"{side}_mask"]
        grid = Grid.from_image(image)
        return resample(mask, Grid.from_image(mask), grid, "nearest", 0.0)[0] > 0.5


def world_to_units(points_mm: torch.Tensor, center_mm: torch.Tensor, mm_per_unit: torch.Tensor) -> torch.Tensor:
    """RAS mm → units of the clouds, (N, 3) → (N, 3) float32.

    Example:
        >>> world_to_units(torch.tensor([[0.0, 0.0, 10.0]]), torch.zeros(3), torch.full((3,), 10.0)).tolist()
        [[1.0, 0.0, 0.0]]
    """
    return ((points_mm.double() - center_mm) @ FROM_RAS.T / mm_per_unit).float()


class DisplacementsToFieldd(Transform):
    """The spline through keypoint displacements as a field on the fixed image's own grid.

    The spline is evaluated on a grid of ``stride_mm`` over the whole fixed image and interpolated linearly from there.

    Args:
        smoothing: λ of the spline; authors' code: 0.1.
        stride_mm: authors' code: every fourth voxel.
        field_key: where the field goes, (3, X, Y, Z), RAS mm, a MetaTensor.
    """

    def __init__(self, smoothing: float = 0.1, stride_mm: float = 6.0, field_key: str = "field_mm") -> None:
        super().__init__()
        self.smoothing, self.stride_mm, self.field_key = smoothing, stride_mm, field_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """The item with its field."""
        item = dict(data)
        native: MetaTensor = item[f"fixed{NATIVE_SUFFIX}"]
        fixed = Grid.from_image(native)
        coarse = coarse_grid(fixed, self.stride_mm)
        spline = ThinPlateSpline(torch.as_tensor(item["fixed_points"]), item["displacements"], self.smoothing)
        voxels = torch.cartesian_prod(*[torch.arange(size) for size in coarse.spatial_shape])
        units = world_to_units(coarse.voxel_to_world(voxels), item["center_mm"], item["mm_per_unit"])
        displacements_mm = (spline(units).double() * item["mm_per_unit"]) @ FROM_RAS
        ddf = displacements_mm @ torch.linalg.inv(coarse.affine[:3, :3]).T
        ddf = ddf.T.reshape(3, *coarse.spatial_shape).float()
        item[self.field_key] = on_grid(ddf_to_field_mm(ddf, coarse, fixed), fixed, like=native)
        return item


def coarse_grid(grid: Grid, stride_mm: float) -> Grid:
    """Grid of about ``stride_mm`` whose outermost voxel centers are those of ``grid``.

    Example:
        >>> coarse_grid(Grid((9, 9, 2), torch.eye(4)), 4.0).spatial_shape
        (3, 3, 2)
    """
    lengths_mm = [(size - 1) * edge for size, edge in zip(grid.spatial_shape, grid.spacing, strict=True)]
    return grid.with_shape([max(1, round(length / stride_mm)) + 1 for length in lengths_mm])
