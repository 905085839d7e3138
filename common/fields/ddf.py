"""The algebra of displacement fields in voxels: warp, compose, integrate, invert, resize."""

import torch
import torch.nn.functional as F

from .sampling import at_least_float32, check_ddf, identity_grid, sample


def warp(moving: torch.Tensor, ddf: torch.Tensor, mode: str = "bilinear", padding_mode: str = "border") -> torch.Tensor:
    """Pull the moving image back: warped(x) = moving(x + u(x)).

    Computed in float32, or float64 where an argument is float64, under autocast too.

    Args:
        moving: image, label map or field, (B, C, *spatial).
        ddf: u, (B, D, *spatial), voxels, component k along tensor axis k.
        mode: "bilinear", or "nearest" for label maps.
        padding_mode: "border" repeats the outermost voxels, "zeros" puts zeros around the image.

    Returns:
        Warped image on the grid of ``ddf``, (B, C, *spatial).

    Raises:
        ValueError: where ``ddf`` has not one component per axis of ``moving``.

    Example:
        >>> moving = torch.arange(4.0).expand(1, 1, 4, 4)
        >>> ddf = torch.tensor([0.0, 1.0]).view(1, 2, 1, 1).expand(1, 2, 4, 4)
        >>> warp(moving, ddf)[0, 0, 0].tolist()
        [1.0, 2.0, 3.0, 3.0]

    Reference:
        Jaderberg et al., Spatial Transformer Networks, NeurIPS 2015, equation 5.
    """
    check_ddf(ddf)
    ddf = at_least_float32(ddf)
    identity = identity_grid(ddf.shape[2:], dtype=ddf.dtype, device=ddf.device)
    return sample(moving, identity + ddf, mode, padding_mode)


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


def resize(ddf: torch.Tensor, spatial_shape: list[int]) -> torch.Tensor:
    """Resample a displacement field on a grid with the same outermost voxel centers, in voxels of that grid.

    Along an axis that goes from n to m voxels, positions and so displacements scale by (m − 1) / (n − 1);
    along an axis where n or m is 1 displacements keep their value.

    Args:
        ddf: (B, D, *spatial), voxels.
        spatial_shape: number of voxels along each of the D axes of the result.

    Returns:
        (B, D, *spatial_shape), voxels of the new grid.

    Raises:
        ValueError: where ``ddf`` has not one component per axis or ``spatial_shape`` not one entry per axis.

    Example:
        >>> resize(torch.ones(1, 2, 3, 3), [5, 3])[0, :, 0, 0].tolist()
        [2.0, 1.0]
    """
    check_ddf(ddf)
    if len(spatial_shape) != ddf.size(1):
        raise ValueError(f"expected {ddf.size(1)} entries in spatial_shape, got {spatial_shape}")
    mode = "bilinear" if len(spatial_shape) == 2 else "trilinear"
    resampled = F.interpolate(at_least_float32(ddf), size=spatial_shape, mode=mode, align_corners=True)
    factors = [
        (new - 1) / (old - 1) if old > 1 and new > 1 else 1.0
        for old, new in zip(ddf.shape[2:], spatial_shape)  # noqa: B905 (TorchScript knows no strict=)
    ]
    return torch.stack([resampled[:, axis] * factor for axis, factor in enumerate(factors)], dim=1)
