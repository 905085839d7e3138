"""Inverse of a displacement field."""

import torch

from .grid import at_least_float32
from .warp import warp


def invert(ddf: torch.Tensor, num_iterations: int = 30) -> torch.Tensor:
    """Displacement of the inverse map: (id + w) = (id + u)⁻¹, by fixed-point iteration.

    w must satisfy w(x) = −u(x + w(x)); iterating it contracts by the Lipschitz constant of u, so it converges
    where that is below 1 (then id + u does not fold). Beyond the grid u keeps the displacement of its border.

    Args:
        ddf: u, (B, D, *spatial), voxels.
        num_iterations: with a Lipschitz constant L the error falls as L^num_iterations.

    Returns:
        w, (B, D, *spatial), voxels.

    Raises:
        ValueError: where ``ddf`` has not one component per axis.

    Example:
        >>> invert(torch.full((1, 2, 3, 3), 2.0)).unique().tolist()
        [-2.0]

    Reference:
        Chen et al., A simple fixed-point approach to invert a deformation field, Medical Physics 2008.
    """
    inverse = -at_least_float32(ddf)
    for _ in range(num_iterations):
        inverse = -warp(ddf, inverse)
    return inverse
