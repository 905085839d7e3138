"""Losses of moved points without correspondences, as PointPWC-Net trains: Chamfer distance, smoothness, Laplacian.

Reference: Wu et al., PointPWC-Net, ECCV 2020, section 3.4 and the authors' code: 8, 9 and 5 neighbors, weights 1, 1,
0.3. Differs from their code, whose smoothness is not squared, so that no weight depends on the unit of the points; and
in means in place of sums, since the two clouds differ in size.
"""

import torch

from .graph_features import nearest_neighbors, rows_of


def chamfer_distance(points: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    """mean_p min_q ‖p − q‖² + mean_q min_p ‖p − q‖².

    Args:
        points: p, (N, 3).
        others: q, (M, 3).

    Returns:
        Scalar, squared unit of the points.

    Example:
        >>> chamfer_distance(torch.zeros(1, 3), torch.ones(2, 3)).item()
        6.0
    """
    there = points - others[nearest_neighbors(points, others, 1)[:, 0]]
    back = others - points[nearest_neighbors(others, points, 1)[:, 0]]
    return there.square().sum(1).mean() + back.square().sum(1).mean()


def smoothness(points: torch.Tensor, displacements: torch.Tensor, num_neighbors: int = 8) -> torch.Tensor:
    """mean_i mean_{j ∈ N(i)} ‖u_i − u_j‖², N(i) the nearest points of point i before it moves.

    Args:
        points: (N, 3).
        displacements: u, (N, 3).
        num_neighbors: |N(i)|, the point itself left out.

    Returns:
        Scalar, squared unit of the displacements.

    Example:
        >>> smoothness(torch.rand(20, 3), torch.ones(20, 3)).item()
        0.0
    """
    neighbors = nearest_neighbors(points, points, num_neighbors + 1)[:, 1:]
    return (rows_of(displacements, neighbors) - displacements.unsqueeze(1)).square().sum(2).mean()


def laplacian(points: torch.Tensor, neighbors: torch.Tensor) -> torch.Tensor:
    """δ_i = mean_{j ∈ N(i)} p_j − p_i, (N, 3), from points (N, 3) and the numbers of their neighbors (N, k).

    Example:
        >>> laplacian(torch.tensor([[0.0, 0, 0], [2.0, 0, 0]]), torch.tensor([[1], [0]]))[:, 0].tolist()
        [2.0, -2.0]
    """
    return rows_of(points, neighbors).mean(1) - points


def laplacian_difference(
    points: torch.Tensor,
    displacements: torch.Tensor,
    others: torch.Tensor,
    num_neighbors: int = 9,
    num_interpolated: int = 5,
) -> torch.Tensor:
    """mean_i ‖δ(p_i + u_i) − δ_Q(p_i + u_i)‖²: the moved cloud shall have the shape of the other one.

    Neighborhoods of the moved cloud are those before it moves. δ_Q is the Laplacian of the other cloud, interpolated
    from its nearest points by weights 1 / distance².

    Args:
        points: p, (N, 3).
        displacements: u, (N, 3).
        others: q, (M, 3).
        num_neighbors: of a Laplacian, the point itself left out.
        num_interpolated: points of the other cloud that a moved point takes its target from.

    Returns:
        Scalar, squared unit of the points.

    Example:
        >>> points = torch.rand(20, 3)
        >>> laplacian_difference(points, torch.zeros(20, 3), points).item() < 1e-6
        True
    """
    moved = points + displacements
    shape = laplacian(moved, nearest_neighbors(points, points, num_neighbors + 1)[:, 1:])
    target = laplacian(others, nearest_neighbors(others, others, num_neighbors + 1)[:, 1:])
    nearest = nearest_neighbors(moved, others, num_interpolated)
    closeness = 1 / ((rows_of(others, nearest) - moved.unsqueeze(1)).square().sum(2) + 1e-8)
    weights = closeness / closeness.sum(1, keepdim=True)
    return (shape - (weights.unsqueeze(2) * rows_of(target, nearest)).sum(1)).square().sum(1).mean()
