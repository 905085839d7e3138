"""Force that brings corresponding points together."""

from itertools import product

import torch

from ..fields.sampling import sample
from ..fields.smoothing import gaussian_smooth

SPREAD = 2.0  # by how much farther than the smoothing of updates, which would not keep a single peak, a point pulls


class PointForce:
    """What is left between moving points and mapped fixed points, r = q − (p + u(p)), around the fixed ones.

    In voxel x it is the mean of all r, bounded to one voxel, with the weights of Gaussians around the points, and fades
    out as that of the nearest ones does.

    Args:
        fixed: p, (N, D), voxels of the field; points beyond its grid have no force.
        moving: q, (N, D), voxels of the field.
        fluid: σ of the smoothing of updates, voxels.

    Example:
        >>> points = torch.tensor([[8.0, 8.0]])
        >>> similarity, force = PointForce(points, points + torch.tensor([0.5, 0.0]), 1.0)(torch.zeros(1, 2, 16, 16))
        >>> similarity, round(force[0, 0, 8, 8].item(), 3), force[0, :, 0, 0].abs().max().item() < 1e-3
        (-0.5, 0.5, True)
    """

    def __init__(self, fixed: torch.Tensor, moving: torch.Tensor, fluid: float) -> None:
        self.fixed, self.moving, self.sigma = fixed, moving, SPREAD * fluid

    def __call__(self, ddf: torch.Tensor) -> tuple[float, torch.Tensor]:
        """Negative mean distance in voxels, and force, (1, D, *spatial), voxels."""
        shape = ddf.shape[2:]
        fixed, moving = self.fixed.to(ddf), self.moving.to(ddf)
        inside = ((fixed >= 0) & (fixed <= fixed.new_tensor(shape) - 1)).all(dim=1)
        fixed, moving = fixed[inside], moving[inside]
        if not len(fixed):
            return 0.0, torch.zeros_like(ddf)
        column = [1, -1, len(fixed)] + [1] * (len(shape) - 1)
        rest = moving - fixed - sample(ddf, fixed.T.reshape(column)).flatten(2)[0].T
        length = rest.norm(dim=1, keepdim=True)
        values = torch.cat([rest / length.clamp(min=1), torch.ones_like(length)], dim=1)
        spread = gaussian_smooth(_scattered(values, fixed, shape), self.sigma)
        single = gaussian_smooth(_scattered(torch.ones_like(length[:1]), fixed[:1].round(), shape), self.sigma).max()
        return -length.mean().item(), spread[:, :-1] / spread[:, -1:].clamp(min=single.item())


def _scattered(values: torch.Tensor, places: torch.Tensor, shape: torch.Size) -> torch.Tensor:
    """Values (N, C) at voxel coordinates (N, D), shared among their neighbors as interpolation does: (1, C, *shape)."""
    volume = values.new_zeros(shape.numel(), values.size(1))
    last = torch.tensor(shape, device=places.device) - 1
    lower = torch.minimum(places.floor().long(), (last - 1).clamp(min=0))
    for corner in product((0, 1), repeat=len(shape)):
        index = torch.minimum(lower + torch.tensor(corner, device=places.device), last)
        weight = (1 - (places - lower - torch.tensor(corner).to(places)).abs()).clamp(min=0).prod(dim=1, keepdim=True)
        flat = torch.zeros_like(index[:, 0])
        for axis, size in enumerate(shape):
            flat = flat * size + index[:, axis]
        volume.index_add_(0, flat, weight * values)
    return volume.T.reshape(1, -1, *shape)
