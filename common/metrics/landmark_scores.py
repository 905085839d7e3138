"""Target registration error of a pair as a post-processing transform."""

import math
from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.transforms import Transform

from ..fields.world import Grid
from ..fields.world_field import ddf_to_field_mm, move_points
from ..transforms.centered_region import ALIGNMENT_KEY, align_points
from .landmarks import landmark_distance_mm
from .registration_scores import SCORES_KEY


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
                scores[name] = landmark_distance_mm(align_points(points, alignment), moving).mean().item()
        item[SCORES_KEY] = {**item.get(SCORES_KEY, {}), **scores}
        return item
