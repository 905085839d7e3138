"""Stationary velocity field to displacement field."""

import torch

from .compose import compose
from .grid import at_least_float32


def integrate(velocity: torch.Tensor, num_steps: int = 7) -> torch.Tensor:
    """Displacement of the flow of a stationary velocity at time 1: u = exp(v) − id, by scaling and squaring.

    exp(v) ≈ (id + v / 2ⁿ) composed 2ⁿ times with itself, reached by n squarings; the error halves with each
    further step. Beyond the grid the velocity of the border goes on: a constant velocity is exact everywhere.

    Args:
        velocity: v, (B, D, *spatial), voxels per unit of time.
        num_steps: n, at least 0.

    Returns:
        u, (B, D, *spatial), voxels.

    Raises:
        ValueError: where ``velocity`` has not one component per axis or ``num_steps`` is negative.

    Example:
        >>> integrate(torch.full((1, 2, 3, 3), 2.5)).unique().tolist()
        [2.5]

    Reference:
        Arsigny et al., A Log-Euclidean Framework for Statistics on Diffeomorphisms, MICCAI 2006.
    """
    if num_steps < 0:
        raise ValueError(f"expected num_steps >= 0, got {num_steps}")
    ddf = at_least_float32(velocity) / 2.0**num_steps
    for _ in range(num_steps):
        ddf = compose(ddf, ddf)
    return ddf
