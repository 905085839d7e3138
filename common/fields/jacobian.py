"""Jacobian determinant of id + u, and the two figures of regularity made from it."""

import torch

from .sampling import at_least_float32, check_ddf


def central_difference(field: torch.Tensor, axis: int) -> torch.Tensor:
    """Derivative along one tensor axis: central differences, one-sided in the two border planes.

    Exact for linear functions everywhere; zero along an axis of one voxel.

    Example:
        >>> central_difference(torch.tensor([0.0, 1.0, 4.0, 9.0]), 0).tolist()
        [1.0, 2.0, 4.0, 5.0]
    """
    size = field.size(axis)
    if size == 1:
        return torch.zeros_like(field)
    first = field.narrow(axis, 1, 1) - field.narrow(axis, 0, 1)
    inner = (field.narrow(axis, 2, size - 2) - field.narrow(axis, 0, size - 2)) / 2
    last = field.narrow(axis, size - 1, 1) - field.narrow(axis, size - 2, 1)
    return torch.cat([first, inner, last], dim=axis)


def jacobian_determinant(ddf: torch.Tensor) -> torch.Tensor:
    """Determinant of the Jacobian of φ = id + u: det(I + ∂u/∂x), the local change of volume.

    Derivatives are central differences, one-sided in the border planes, so affine maps give their determinant
    in every voxel. The value does not depend on the voxel size.

    Args:
        ddf: u, (B, D, *spatial), voxels.

    Returns:
        (B, 1, *spatial), no unit; 1 keeps volume, ≤ 0 folds.

    Raises:
        ValueError: where ``ddf`` has not one component per axis.

    Example:
        >>> ddf = torch.zeros(1, 2, 4, 4)
        >>> ddf[0, 0] = torch.arange(4.0).view(4, 1)  # doubles lengths along axis 0
        >>> jacobian_determinant(ddf).unique().tolist()
        [2.0]
    """
    check_ddf(ddf)
    ddf = at_least_float32(ddf)
    spatial_dims = ddf.size(1)
    columns = [central_difference(ddf, axis + 2) for axis in range(spatial_dims)]
    for axis in range(spatial_dims):
        columns[axis][:, axis] += 1.0
    if spatial_dims == 2:
        return columns[0][:, :1] * columns[1][:, 1:] - columns[0][:, 1:] * columns[1][:, :1]
    return (torch.linalg.cross(columns[0], columns[1], dim=1) * columns[2]).sum(dim=1, keepdim=True)


def inner_folding_fraction(ddf: torch.Tensor, margin: int = 2) -> torch.Tensor:
    """Share of voxels whose Jacobian determinant is ≤ 0, without those at the border, as Learn2Reg counts them.

    :func:`~common.methods.mine_voxelmorph.scores.whole_folding_fraction` counts all.

    Args:
        ddf: (B, D, *spatial), voxels.
        margin: voxels left out at every border. An axis shorter than 2·margin + 1 keeps its middle.

    Returns:
        (B,), in [0, 1].

    Raises:
        ValueError: where ``ddf`` has not one component per axis.

    Example:
        >>> inner_folding_fraction(torch.zeros(1, 3, 8, 8, 8)).item()
        0.0
    """
    determinant = without_margin(jacobian_determinant(ddf), margin)
    return (determinant <= 0).to(determinant.dtype).flatten(1).mean(dim=1)


def sdlogj(ddf: torch.Tensor, offset: float = 0.0, margin: int = 2) -> torch.Tensor:
    """Standard deviation of log(det + offset), the sum clamped to [1e-9, 1e9].

    Args:
        ddf: (B, D, *spatial), voxels.
        offset: 3 gives the figure that Learn2Reg and the papers print, 0 the logarithm of the determinant.
        margin: voxels left out at every border, 2 as in Learn2Reg's evaluation; 0 counts all. An axis shorter
            than 2·margin + 1 keeps its middle.

    Returns:
        (B,), ≥ 0, population standard deviation.

    Raises:
        ValueError: where ``ddf`` has not one component per axis.

    Example:
        >>> sdlogj(torch.ones(1, 3, 8, 8, 8), offset=3.0).item()
        0.0

    Reference:
        Hering et al., Learn2Reg, IEEE TMI 2023, and the evaluation script of the challenge.
    """
    determinant = without_margin(jacobian_determinant(ddf), margin)
    return (determinant + offset).clamp(1e-9, 1e9).log().flatten(1).std(dim=1, correction=0)


def without_margin(volume: torch.Tensor, margin: int) -> torch.Tensor:
    """Leave out planes at every border; an axis shorter than 2·margin + 1 keeps its middle.

    Example:
        >>> without_margin(torch.zeros(1, 1, 8, 8, 1), 2).shape
        torch.Size([1, 1, 4, 4, 1])
    """
    for axis in range(2, volume.dim()):
        size = volume.size(axis)
        width = min(margin, (size - 1) // 2)
        volume = volume.narrow(axis, width, size - 2 * width)
    return volume
