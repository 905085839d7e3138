"""Target registration error at corresponding landmarks, as a function and as a score of a pair."""

import math
from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.transforms import Transform

from ..transforms.centered_region import ALIGNMENT_KEY, align_points
from ..world.grid import Grid
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


def target_registration_error_mm(
    fixed_points_mm: torch.Tensor, moving_points_mm: torch.Tensor, field_mm: torch.Tensor, grid: Grid
) -> torch.Tensor:
    """Distance in the moving image between where a field takes the fixed points and where they are.

    ‖p_fixed + u(p_fixed) − p_moving‖, u interpolated linearly.

    Args:
        fixed_points_mm: (N, 3), RAS mm.
        moving_points_mm: (N, 3), RAS mm.
        field_mm: u, (3, X, Y, Z), RAS mm.
        grid: grid of ``field_mm``.

    Returns:
        (N,), mm; its mean is the mTRE of a case.

    Raises:
        ValueError: where the points do not correspond.

    Example:
        >>> grid, field_mm = Grid((2, 2, 2), torch.eye(4)), torch.full((3, 2, 2, 2), 3.0)
        >>> target_registration_error_mm(torch.zeros(1, 3), torch.full((1, 3), 3.0), field_mm, grid).tolist()
        [0.0]
    """
    return landmark_distance_mm(move_points(fixed_points_mm, field_mm, grid), moving_points_mm)


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
