"""Target registration error at corresponding landmarks."""

import torch

from ..fields.world import Grid
from ..fields.world_field import move_points


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
