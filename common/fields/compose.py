"""Composition of displacement fields."""

import torch

from .grid import at_least_float32
from .warp import warp


def compose(outer: torch.Tensor, inner: torch.Tensor) -> torch.Tensor:
    """Displacement of outer ∘ inner, x ↦ outer(inner(x)): ``inner`` acts first.

    With outer = id + u and inner = id + v the result is v(x) + u(x + v(x)). Warping by it equals
    ``warp(warp(moving, outer), inner)``. Beyond its grid ``outer`` keeps the displacement of its border.

    Args:
        outer: u, (B, D, *spatial), voxels.
        inner: v, (B, D, *spatial), voxels.

    Returns:
        (B, D, *spatial), voxels.

    Raises:
        ValueError: where a field has not one component per axis.

    Example:
        >>> shift, stretch = torch.ones(1, 2, 3, 3), torch.arange(3.0).view(1, 1, 3, 1).expand(1, 2, 3, 3)
        >>> compose(stretch, shift)[0, 0, :, 0].tolist()  # 1 + (x + 1), the last beyond the border
        [2.0, 3.0, 3.0]
    """
    return at_least_float32(inner) + warp(outer, inner)
