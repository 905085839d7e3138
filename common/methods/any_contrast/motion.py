"""Where the greedy solver ends on features, and whether their force would lead it on to the right field."""

import torch

from ...fields.ddf import warp
from ...fields.smoothing import gaussian_smooth
from ...solvers.greedy import greedy_field
from ...solvers.greedy_settings import Greedy
from ...solvers.image_force import difference_force

SOLVER = Greedy("mse", fluid=2.5, elastic=0.8, step=0.8)


def solver_state(features: torch.Tensor, start: torch.Tensor, num_steps: int) -> torch.Tensor:
    """Field of the greedy solver after some steps, without gradients, (1, 3, *spatial), voxels.

    Args:
        features: of the fixed and the moving image, (2, C, *spatial).
        start: field from which the solver begins, (1, 3, *spatial), voxels.
        num_steps: ≥ 0.
    """
    fixed, moving = features.detach().split(1)
    return greedy_field(start, fixed, moving, num_steps, SOLVER) if num_steps else start


def greedy_force(features: torch.Tensor, ddf: torch.Tensor) -> torch.Tensor:
    """Force of the greedy solver at a field, smoothed, (1, 3, *spatial); its length has no unit.

    Args:
        features: of the fixed and the moving image, (2, C, *spatial).
        ddf: (1, 3, *spatial), voxels.

    Example:
        >>> x = torch.linspace(-2, 2, 21)
        >>> blob = torch.exp(-(x.view(-1, 1, 1) ** 2) - x.view(1, -1, 1) ** 2 - x.view(1, 1, -1) ** 2)[None, None]
        >>> force = greedy_force(torch.cat([blob, blob.roll(1, 2)]), torch.zeros(1, 3, 21, 21, 21))
        >>> bool(force[0, 0, 10, 10, 10] > 0)
        True
    """
    fixed, moving = features.split(1)
    return gaussian_smooth(difference_force(fixed, warp(moving, ddf))[1], SOLVER.fluid)


def disagreement(force: torch.Tensor, way: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
    """1 − cosine between a force and the way that is left, as fields over all places of a mask: a scalar in [0, 2].

    Long vectors are bounded, v / √(|v|² + q²), so that no place decides alone: those of the force with its own mean
    square as q², as all that the solver takes from it is relative, those of the way with one voxel.

    Args:
        force: (B, 3, *spatial).
        way: (B, 3, *spatial), voxels.
        inside: (B, 1, *spatial), bool.

    Example:
        >>> force, everywhere = torch.ones(1, 3, 2, 2, 2), torch.ones(1, 1, 2, 2, 2, dtype=torch.bool)
        >>> round(disagreement(force, -force, everywhere).item(), 3)
        2.0
    """
    force, way = force * inside, way * inside
    scale = force.detach().square().sum() / inside.sum().clamp(min=1)
    force = force * torch.rsqrt(force.square().sum(1, keepdim=True) + scale + 1e-12)
    way = way * torch.rsqrt(way.square().sum(1, keepdim=True) + 1.0)
    return 1 - (force * way).sum() * torch.rsqrt(force.square().sum() * way.square().sum() + 1e-12)
