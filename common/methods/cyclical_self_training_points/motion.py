"""Motions of a point cloud: random affine maps, and displacements that a training can be supervised with."""

import math

import torch

UNIT_MM = 150.0
ROTATION_DEGREES, SCALE, TRANSLATION = 10.0, 0.1, 0.005 * 100 / UNIT_MM
LOCAL = {"num_controls": 500, "shift": 0.03 * 100 / UNIT_MM, "width": 0.08 * 100 / UNIT_MM}
GLOBAL = {"spacing": 0.9 * 100 / UNIT_MM, "shift": 0.25 * 100 / UNIT_MM, "width": 0.25 * 100 / UNIT_MM}


def rigid_motion(points: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Rotation up to 10° about each axis, scale 1 ± 0.1, tiny shift, about the centroid: (N, 3) → displacements (N, 3).

    Example:
        >>> rigid_motion(torch.rand(10, 3), torch.Generator().manual_seed(0)).shape
        torch.Size([10, 3])

    Reference: settings of the authors' later code for synthetic training (coordinates / 100 mm; here / 150 mm).
    """
    matrix, shift = random_similarity(generator, ROTATION_DEGREES, SCALE, TRANSLATION)
    center = points.mean(0)
    return (points - center) @ matrix.T + center + shift - points


def random_field_motion(points: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Smooth random field, a coarse and a fine one: u(x) = Σ_c w_c(x) s_c, s_c uniform within ± shift.

    Weights are Gaussians of the distance to control points c, normalized to sum 1. The coarse field has its control
    points on a grid, the fine one at 500 points of the cloud.

    Args:
        points: (N, 3).
        generator: of the draws.

    Returns:
        Displacements (N, 3).

    Example:
        >>> random_field_motion(torch.rand(10, 3), torch.Generator().manual_seed(0)).abs().max().item() < 0.2
        True

    Reference: settings of the authors' later code for synthetic training.
    """
    axes = [torch.arange(-1.0, 1.001, GLOBAL["spacing"])] * 3
    coarse = _blend(points, torch.cartesian_prod(*axes), GLOBAL["shift"], GLOBAL["width"], generator)
    controls = points[torch.randperm(len(points), generator=generator)[: LOCAL["num_controls"]]]
    return coarse + _blend(points, controls, LOCAL["shift"], LOCAL["width"], generator)


def _blend(
    points: torch.Tensor, controls: torch.Tensor, shift: float, width: float, generator: torch.Generator
) -> torch.Tensor:
    shifts = shift * (2 * torch.rand(len(controls), 3, generator=generator) - 1)
    weights = (-torch.cdist(points, controls).square() / (2 * width**2)).softmax(1)
    return weights @ shifts


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
