"""Distances of corresponding landmarks, and the target registration error as a score of a pair."""

import math
from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.transforms import Transform

from ..transforms.centered_region import ALIGNMENT_KEY
from ..world.grid import Grid, apply_affine
from ..world.resample import ddf_to_field_mm, move_points
from .scores import SCORES_KEY


def landmark_distance_mm(points_mm: torch.Tensor, others_mm: torch.Tensor) -> torch.Tensor:
    """Distance of corresponding points: (N, 3) and (N, 3), mm → (N,), mm.

    Raises:
        ValueError: where the two do not correspond.

    Example:
        >>> landmark_distance_mm(torch.zeros(1, 3), torch.tensor([[0.0, 3.0, 4.0]])).tolist()
        [5.0]
    """
    if points_mm.shape != others_mm.shape or points_mm.ndim != 2 or points_mm.shape[1] != 3:
        raise ValueError(f"expected two tensors (N, 3), got {tuple(points_mm.shape)} and {tuple(others_mm.shape)}")
    return (points_mm.double() - others_mm.double()).norm(dim=1)


class ScoreLandmarksd(Transform):
    """Score a pair at its landmarks: ``initial_tre_mm`` and ``tre_mm``, means over the landmarks, NaN without any.

    The field is read on the network's grid; beyond it the displacement of its border goes on.

    Args:
        ddf_key: (3, X, Y, Z), voxels of the network's grid.
        fixed_key: the fixed image on that grid; points lie under ``<side>_points``, (N, 3), RAS mm.

    Raises:
        ValueError: where the points of both sides do not correspond.

    Example:
        >>> from monai.data import MetaTensor
        >>> item = {"fixed": MetaTensor(torch.zeros(1, 4, 4, 4), affine=torch.diag(torch.tensor([2.0, 2, 2, 1])))}
        >>> item |= {"pred": torch.ones(3, 4, 4, 4), "fixed_points": torch.zeros(1, 3)}
        >>> item |= {"moving_points": torch.tensor([[2.0, 2.0, 6.0]])}
        >>> ScoreLandmarksd()(item)["scores"]["tre_mm"]
        4.0
    """

    def __init__(self, ddf_key: str = "pred", fixed_key: str = "fixed"):
        super().__init__()
        self.ddf_key, self.fixed_key = ddf_key, fixed_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """The item with its scores."""
        item = dict(data)
        scores = {"initial_tre_mm": math.nan, "tre_mm": math.nan}
        if "fixed_points" in item:
            grid = Grid.from_image(item[self.fixed_key])
            field_mm = ddf_to_field_mm(torch.as_tensor(item[self.ddf_key]).float().cpu(), grid, grid)
            fixed, moving = (torch.as_tensor(item[f"{side}_points"]).cpu() for side in ("fixed", "moving"))
            alignment = torch.as_tensor(item.get(ALIGNMENT_KEY, torch.eye(4)))
            for name, points in zip(scores, (fixed, move_points(fixed, field_mm, grid)), strict=True):
                scores[name] = landmark_distance_mm(apply_affine(alignment, points), moving).mean().item()
        item[SCORES_KEY] = {**item.get(SCORES_KEY, {}), **scores}
        return item
