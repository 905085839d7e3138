"""Scores of a keypoint registration: landmark error in millimeters and regularity of the dense field."""

import math
from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.transforms import Transform

from ...metrics.landmarks import landmark_distance_mm
from ...metrics.regularity import regularity_scores
from ...metrics.scores import SCORES_KEY
from .spline import ThinPlateSpline


class ScoreKeypointsd(Transform):
    """Scores of the spline through the keypoints' displacements.

    ``tre_mm`` and ``initial_tre_mm`` are means of ‖mm_per_unit · (p + u(p) − q)‖ over the landmarks (p, q), with and
    without u; NaN for pairs without landmarks. ``residual_mm`` needs none: the mean distance from
    the fixed points, moved by a spline of λ = ``residual_smoothing``, to the nearest moving point; a smooth field that
    follows the vessels is near them. ``sdlogj``, ``sdlogj_offset3`` and ``folding_fraction`` are those of
    the spline on a grid of ``grid_mm`` over the box of the fixed points.

    Args:
        smoothing: λ of the spline; authors' code: 0.1.
        residual_smoothing: λ.
        grid_mm: spacing of the grid, mm; 0 leaves the regularity out.

    Example:
        >>> points = torch.rand(50, 3, generator=torch.Generator().manual_seed(0))
        >>> item = {"fixed_points": points, "displacements": torch.zeros(50, 3), "mm_per_unit": torch.full((3,), 2.0)}
        >>> item |= {"moving_points": points, "fixed_landmarks": points[:2], "moving_landmarks": points[:2] + 1}
        >>> round(ScoreKeypointsd(grid_mm=0)(item)["scores"]["tre_mm"], 3) == round(2 * 3**0.5, 3)
        True
    """

    def __init__(self, smoothing: float = 0.1, residual_smoothing: float = 1.0, grid_mm: float = 8.0):
        super().__init__()
        self.smoothing, self.residual_smoothing, self.grid_mm = smoothing, residual_smoothing, grid_mm

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """The item with its scores."""
        item = dict(data)
        points, scale = torch.as_tensor(item["fixed_points"]), torch.as_tensor(item["mm_per_unit"])
        displacements = torch.as_tensor(item["displacements"])
        spline = ThinPlateSpline(points, displacements, self.smoothing)
        scores = {"tre_mm": math.nan, "initial_tre_mm": math.nan}
        if "fixed_landmarks" in item:
            fixed, moving = (torch.as_tensor(item[f"{side}_landmarks"]) for side in ("fixed", "moving"))
            scores["tre_mm"] = float(landmark_distance_mm((fixed + spline(fixed)) * scale, moving * scale).mean())
            scores["initial_tre_mm"] = float(landmark_distance_mm(fixed * scale, moving * scale).mean())
        smooth = points + ThinPlateSpline(points, displacements, self.residual_smoothing)(points)
        scores["residual_mm"] = float(
            nearest_distance(smooth * scale, torch.as_tensor(item["moving_points"]) * scale).mean()
        )
        if self.grid_mm:
            scores |= regularity_scores(_field_voxels(spline, points, scale, self.grid_mm))
        item[SCORES_KEY] = {**item.get(SCORES_KEY, {}), **scores}
        return item


def nearest_distance(points: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    """Distance from each of (N, 3) points to the nearest of (M, 3) others: (N,)."""
    return torch.cdist(points, others).amin(1)


def _field_voxels(spline: ThinPlateSpline, points: torch.Tensor, scale: torch.Tensor, grid_mm: float) -> torch.Tensor:
    """The spline on a grid over the box of the points, (3, X, Y, Z), voxels of that grid."""
    step = grid_mm / scale
    axes = [
        torch.arange(float(low), float(high) + float(size), float(size))
        for low, high, size in zip(points.amin(0), points.amax(0), step, strict=True)
    ]
    shape = [len(axis) for axis in axes]
    return (spline(torch.cartesian_prod(*axes)) / step).T.reshape(3, *shape)
