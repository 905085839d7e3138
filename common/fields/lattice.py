"""Coarse grids inside the voxel grid of an image.

Node i of a lattice lies at voxel ``offset + stride · i`` along every axis. A convolution of stride 2 with padding 1 is
centered on every second voxel, so feature networks have offset 0; a mean over blocks of s voxels has (s − 1) / 2.
Values on a lattice, displacements too, stay in voxels of the image unless a name says ``cells``.
"""

import torch

from .sampling import at_least_float32, identity_grid, sample


def interpolation_matrix(num_nodes: int, stride: float, offset: float, positions: torch.Tensor) -> torch.Tensor:
    """Weights of linear interpolation along one axis; positions beyond the outermost nodes take their value.

    Args:
        num_nodes: n.
        stride: voxels between nodes.
        offset: voxel of node 0.
        positions: (m,), voxels.

    Returns:
        (m, n), rows sum to 1.

    Example:
        >>> interpolation_matrix(2, 4.0, 0.0, torch.tensor([0.0, 1.0, 9.0])).tolist()
        [[1.0, 0.0], [0.75, 0.25], [0.0, 1.0]]
    """
    index = ((positions - offset) / stride).clamp(0.0, float(num_nodes - 1))
    nodes = torch.arange(num_nodes, dtype=positions.dtype, device=positions.device)
    return (1.0 - (index[:, None] - nodes).abs()).clamp(min=0.0)


def refine_lattice(
    values: torch.Tensor,
    stride: float,
    offset: float,
    shape: list[int],
    new_stride: float = 1.0,
    new_offset: float = 0.0,
) -> torch.Tensor:
    """Interpolate values linearly from one lattice to another; a matrix per axis, no coordinates are built.

    Args:
        values: (B, C, *nodes), three axes.
        stride: of the lattice of ``values``, voxels.
        offset: of the lattice of ``values``, voxels.
        shape: number of nodes along each axis of the result; voxels of the image for stride 1 and offset 0.
        new_stride: of the result, voxels.
        new_offset: of the result, voxels.

    Returns:
        (B, C, *shape), in the unit of ``values``.

    Example:
        >>> refine_lattice(torch.tensor([0.0, 8.0]).view(1, 1, 2, 1, 1), 4.0, 0.0, [6, 1, 1]).flatten().tolist()
        [0.0, 2.0, 4.0, 6.0, 8.0, 8.0]
    """
    values = at_least_float32(values)
    for axis in range(3):
        steps = torch.arange(shape[axis], dtype=values.dtype, device=values.device)
        weights = interpolation_matrix(values.size(2 + axis), stride, offset, new_offset + new_stride * steps)
        sizes = list(values.shape)
        sizes[2 + axis] = shape[axis]
        # What lies before the axis is a batch, what lies behind it are columns: nothing is copied.
        if axis == 2:
            values = torch.matmul(values, weights.t())
        else:
            values = torch.matmul(weights, values.flatten(3 + axis).flatten(0, 1 + axis)).view(sizes)
    return values


def sample_lattice(values: torch.Tensor, stride: float, offset: float, positions: torch.Tensor) -> torch.Tensor:
    """Interpolate values on a lattice at any positions, (B, D, *out) in voxels: (B, C, *nodes) → (B, C, *out)."""
    return sample(values, (positions - offset) / stride)


def lattice_positions(shape: list[int], stride: float, offset: float) -> torch.Tensor:
    """Voxel positions of all nodes, (D, *shape) float32.

    Example:
        >>> lattice_positions([2, 1], 4.0, 1.5)[0].flatten().tolist()
        [1.5, 5.5]
    """
    return offset + stride * identity_grid(shape)
