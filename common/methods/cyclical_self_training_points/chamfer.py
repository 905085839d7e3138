"""Losses of moved points without correspondences: Chamfer distance and local Laplacian.

Reference: Wu et al., PointPWC-Net, ECCV 2020, equations 5 and 6.
"""

import torch

from .graph_features import nearest_neighbors


def chamfer_distance(points: torch.Tensor, others: torch.Tensor, one_sided: bool = False) -> torch.Tensor:
    """mean_p min_q ‖p − q‖² + mean_q min_p ‖p − q‖².

    Args:
        points: p, (N, 3).
        others: q, (M, 3).
        one_sided: leave out the second term, as where ``points`` are a part of a cloud only.

    Returns:
        Scalar, squared unit of the points.

    Example:
        >>> chamfer_distance(torch.zeros(1, 3), torch.ones(2, 3)).item()
        6.0
    """
    total = (points - others[nearest_neighbors(points, others, 1)[:, 0]]).square().sum(1).mean()
    if one_sided:
        return total
    return total + (others - points[nearest_neighbors(others, points, 1)[:, 0]]).square().sum(1).mean()


def local_laplacian(points: torch.Tensor, displacements: torch.Tensor, num_neighbors: int = 9) -> torch.Tensor:
    """mean_i mean_{j ∈ N(i)} ‖u_i − u_j‖², N(i) the nearest points of point i before it moves.

    Args:
        points: (N, 3).
        displacements: u, (N, 3).
        num_neighbors: |N(i)|, itself left out; PointPWC-Net: 9.

    Returns:
        Scalar, squared unit of the displacements.

    Example:
        >>> local_laplacian(torch.rand(20, 3), torch.ones(20, 3)).item()
        0.0
    """
    neighbors = nearest_neighbors(points, points, num_neighbors + 1)[:, 1:]
    return (displacements[neighbors] - displacements.unsqueeze(1)).square().sum(2).mean()
