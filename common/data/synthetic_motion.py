"""Synthetic motions of a point cloud: displacements that a training can be supervised with."""

import torch

from ..transforms.keypoint_augmentation import random_similarity

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
