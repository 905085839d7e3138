"""Random smooth invertible maps: an integrated velocity followed by a small affine."""

import math

import torch
import torch.nn.functional as F

from ...fields.ddf import integrate
from ...fields.sampling import identity_grid

MAX_ROTATION_RAD = math.radians(6)
MAX_LOG_SCALE = 0.05


def random_diffeomorphism(
    spatial_shape: tuple[int, int, int],
    generator: torch.Generator,
    control_spacing_voxels: float,
    amplitude_voxels: float,
) -> torch.Tensor:
    """Displacement field of x ↦ A(exp(v)(x)) with a random smooth velocity v and a random small affine map A.

    v interpolates independent normal values on a control grid. A turns by up to 6° about each axis, scales by
    up to 5 % along each axis, both about the center of the grid, and shifts by up to the amplitude.

    Args:
        spatial_shape: (X, Y, Z).
        generator: source of the randomness.
        control_spacing_voxels: distance of the control points.
        amplitude_voxels: standard deviation of the normal values; the map stays invertible in practice up to
            a quarter of the distance of the control points.

    Returns:
        The field (1, 3, X, Y, Z), float32, voxels.

    Example:
        >>> ddf = random_diffeomorphism((8, 8, 8), torch.Generator().manual_seed(0), 4.0, 0.5)
        >>> ddf.shape
        torch.Size([1, 3, 8, 8, 8])
    """
    num_control = [math.ceil((length - 1) / control_spacing_voxels) + 1 for length in spatial_shape]
    control = amplitude_voxels * torch.randn(1, 3, *num_control, generator=generator)
    velocity = F.interpolate(control, spatial_shape, mode="trilinear", align_corners=True)
    ddf = integrate(_smooth(_smooth(velocity)))
    draw = 2 * torch.rand(3, 3, generator=generator) - 1
    matrix = torch.linalg.matrix_exp(_skew(draw[0] * MAX_ROTATION_RAD)) @ torch.diag(torch.exp(MAX_LOG_SCALE * draw[1]))
    return _append_affine(ddf, matrix, amplitude_voxels * draw[2])


def _smooth(values: torch.Tensor) -> torch.Tensor:
    return F.avg_pool3d(F.pad(values, (1,) * 6, mode="replicate"), 3, stride=1)


def _append_affine(ddf: torch.Tensor, matrix: torch.Tensor, shift: torch.Tensor) -> torch.Tensor:
    """Field of x ↦ c + M (x + u(x) − c) + shift, c the center of the grid."""
    identity = identity_grid(ddf.shape[2:])
    center = torch.tensor([(length - 1) / 2 for length in ddf.shape[2:]]).view(3, 1, 1, 1)
    mapped = torch.einsum("ij,jxyz->ixyz", matrix, identity + ddf[0] - center) + center
    return (mapped + shift.view(3, 1, 1, 1) - identity)[None]


def _skew(axis: torch.Tensor) -> torch.Tensor:
    x, y, z = axis.tolist()
    return torch.tensor([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
