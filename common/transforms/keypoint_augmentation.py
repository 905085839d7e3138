"""Random similarity of both clouds of a pair, with the exact displacement labels."""

import math

import torch


def random_similarity(
    generator: torch.Generator, rotation_degrees: float = 10.0, scale: float = 0.1, translation: float = 0.1
) -> tuple[torch.Tensor, torch.Tensor]:
    """A and t of x ↦ A x + t, A = s · R_x R_y R_z, each parameter uniform within ± its bound.

    Args:
        generator: of the draw.
        rotation_degrees: bound of each of the three angles.
        scale: bound of s − 1.
        translation: bound of each component of t, in the unit of the points.

    Returns:
        A (3, 3) and t (3,).

    Example:
        >>> A, t = random_similarity(torch.Generator().manual_seed(0), scale=0.0)
        >>> torch.allclose(A @ A.T, torch.eye(3), atol=1e-6)
        True

    Reference: code of Bigalke et al., MICCAI 2022: ±10°, ±0.1, ±0.1.
    """
    draws = 2 * torch.rand(7, generator=generator) - 1
    matrix = torch.eye(3) * (1 + scale * draws[6])
    for axis in range(3):
        angle = float(draws[axis]) * math.radians(rotation_degrees)
        first, second = [other for other in range(3) if other != axis]
        rotation = torch.eye(3)
        rotation[first, first] = rotation[second, second] = math.cos(angle)
        rotation[first, second], rotation[second, first] = -math.sin(angle), math.sin(angle)
        matrix = matrix @ rotation
    return matrix, translation * draws[3:6]


def transform_pair(
    fixed: torch.Tensor, moving: torch.Tensor, displacements: torch.Tensor, matrix: torch.Tensor, shift: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Both clouds under x ↦ A x + t, and the displacements between them: u' = A u, for (A x + t) + u' = A (x + u) + t.

    Args:
        fixed: x, (N, 3).
        moving: (M, 3).
        displacements: u, (N, 3).
        matrix: A, (3, 3).
        shift: t, (3,).

    Returns:
        Fixed (N, 3), moving (M, 3), displacements (N, 3).

    Example:
        >>> x, y, u = transform_pair(*[torch.ones(1, 3)] * 3, 2 * torch.eye(3), torch.ones(3))
        >>> x.tolist(), y.tolist(), u.tolist()
        ([[3.0, 3.0, 3.0]], [[3.0, 3.0, 3.0]], [[2.0, 2.0, 2.0]])
    """
    return fixed @ matrix.T + shift, moving @ matrix.T + shift, displacements @ matrix.T


def map_back(displacements: torch.Tensor, matrix: torch.Tensor) -> torch.Tensor:
    """Inverse of what :func:`transform_pair` does to displacements: u = A⁻¹ u', (N, 3) → (N, 3)."""
    return torch.linalg.solve(matrix, displacements.T).T
