"""How well an affine map lays one image on another: mutual information as a function of twelve parameters."""

import math

import torch
import torch.nn.functional as F

from ..fields.masked_mean import masked_mean
from ..fields.sampling import sample
from ..world.grid import Grid
from ..world.resample import shrink
from .joint_histogram import equalize, normalized_mutual_information

TURN_WEIGHT = 0.1  # share of the information that ‖L − 1‖² = 1 costs, L the linear part of T: 2 % for a turn of 18°
MIN_SHARE = 0.1  # of the smaller image that must lie in the other one


class Objective:
    """I − TURN_WEIGHT · ‖L − 1‖² · (I − 1) on one level as a function of θ, I the normalized mutual information.

    Args:
        fixed: fixed image, its grid and its mask, as :func:`~.affine.best_alignment` has them.
        moving: the same of the moving image.
        spacing_mm: both images are averaged to about this voxel size.
        num_samples: points of the fixed image, at most.
        initial: A₀, (4, 4), RAS mm, which T(θ) of :func:`transform` precedes.
        center: (3,), RAS mm, of rotation.
        radius: mm, by which rotations, scales and shears are measured.
    """

    def __init__(
        self,
        fixed: tuple[torch.Tensor, Grid, torch.Tensor | None],
        moving: tuple[torch.Tensor, Grid, torch.Tensor | None],
        spacing_mm: float,
        num_samples: int,
        initial: torch.Tensor,
        center: torch.Tensor,
        radius: float,
    ):
        values, seen, fixed_grid = _equalized(*fixed, spacing_mm)
        self.spacing_mm = max(spacing_mm, *fixed_grid.spacing)
        self.fixed, voxels = _sampled(values[0], seen[0], num_samples)
        self.points_mm = fixed_grid.voxel_to_world(voxels)
        values, seen, moving_grid = _equalized(*moving, spacing_mm)
        self.moving = torch.cat([values, seen.to(values)])[None]
        self.world_to_moving = torch.linalg.inv(moving_grid.affine).to(initial) @ initial
        self.center, self.radius = center, radius
        volumes = [grid.edges_mm[0] * grid.edges_mm[1] * grid.edges_mm[2] for grid in (fixed_grid, moving_grid)]
        self.min_share = MIN_SHARE * min(1.0, volumes[1] / volumes[0])

    def __call__(self, theta: torch.Tensor) -> torch.Tensor:
        """Scores (B,) of parameters (B, 12)."""
        return self.parts(theta)[0]

    def parts(self, theta: torch.Tensor, turn_weight: float = TURN_WEIGHT) -> tuple[torch.Tensor, torch.Tensor]:
        """Scores (B,) with a penalty of turning and stretching, and the mutual information alone."""
        change = transform(theta.double(), self.center, self.radius)
        information = self._information(self.world_to_moving @ change)
        turn = (change[:, :3, :3] - torch.eye(3).to(change)).square().sum(dim=(1, 2))
        return information - turn_weight * turn.float() * (information - 1).clamp(min=0), information

    def _information(self, matrix: torch.Tensor) -> torch.Tensor:
        """Of maps (B, 4, 4) from the fixed image's world to voxels of the moving image."""
        voxels = (self.points_mm @ matrix[:, :3, :3].mT + matrix[:, None, :3, 3]).float()
        moving = self.moving.expand(len(matrix), -1, -1, -1, -1)
        values = sample(moving, voxels.mT[..., None, None], padding_mode="zeros")[..., 0, 0]
        inside = values[:, 1]
        return normalized_mutual_information(
            self.fixed, values[:, 0] / inside.clamp(min=1e-3), inside, min_share=self.min_share
        )


def transform(theta: torch.Tensor, center: torch.Tensor, radius: float) -> torch.Tensor:
    """Matrix of p ↦ c + t + R · S · (p − c): rotation R = exp[r]ₓ, upper triangular S = exp of scales and shears.

    Args:
        theta: (B, 12), mm: t, then r, the logarithms of the scales, and the shears xy, xz, yz, each times ``radius``.
        center: c, (3,), mm.
        radius: mm.

    Returns:
        (B, 4, 4).

    Example:
        >>> theta = torch.zeros(1, 12)
        >>> theta[0, 5] = math.pi / 2  # about the third axis
        >>> transform(theta, torch.zeros(3), 1.0)[0, :2, :2].round().tolist()
        [[0.0, -1.0], [1.0, 0.0]]
    """
    shift, rotation, scale, shear = theta.split(3, dim=1)
    x, y, z = (rotation / radius).unbind(dim=1)
    zero = torch.zeros_like(x)
    skew = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=1).view(-1, 3, 3)
    xy, xz, yz = (shear / radius).unbind(dim=1)
    sx, sy, sz = (scale / radius).unbind(dim=1)
    upper = torch.stack([sx, xy, xz, zero, sy, yz, zero, zero, sz], dim=1).view(-1, 3, 3)
    linear = torch.linalg.matrix_exp(skew) @ torch.linalg.matrix_exp(upper)
    offset = center.to(theta) + shift - (linear @ center.to(theta)[:, None])[..., 0]
    return F.pad(torch.cat([linear, offset[..., None]], dim=2), (0, 0, 0, 1)) + torch.diag(
        theta.new_tensor([0, 0, 0, 1])
    )


def _equalized(
    image: torch.Tensor, grid: Grid, mask: torch.Tensor | None, spacing_mm: float
) -> tuple[torch.Tensor, torch.Tensor, Grid]:
    """Image on a level, spread over [0, 1] and 0 outside the mask; whether a voxel is in the mask; their grid."""
    volume, own = shrink(image, grid, spacing_mm)
    seen = torch.ones_like(volume, dtype=torch.bool)
    if mask is not None:
        volume, share = masked_mean(image.float(), mask, lambda both: shrink(both, grid, spacing_mm)[0])
        seen = share > share.max() / 2
    spread = torch.zeros_like(volume)
    spread[seen] = equalize(volume[seen])
    return spread, seen, own


def _sampled(volume: torch.Tensor, seen: torch.Tensor, max_samples: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Values (N,) and voxel coordinates (N, 3) of at most about ``max_samples`` voxels of a mask, scattered evenly."""
    step = max(1, math.ceil(seen.sum().item() / max_samples))
    # A step that shares no factor with the axes scatters the voxels over all of them.
    while step > 1 and any(math.gcd(step, size) > 1 for size in volume.shape):
        step += 1
    index = torch.arange(0, volume.numel(), step, device=volume.device)
    index = index[seen.flatten()[index]]
    coordinates = torch.stack(torch.unravel_index(index, volume.shape), dim=1)
    return volume.flatten()[index], coordinates
