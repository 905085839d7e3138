"""Box sums and Gaussians as sums of shifted views: several times as fast as pooling and convolution on a CPU."""

import math
from collections.abc import Callable
from functools import partial

import torch

from .sampling import at_least_float32

TRUNCATION = 3.0  # standard deviations at which a Gaussian ends
SLAB_VOXELS = 100_000  # that are summed at a time: what lies between the sums stays in the processor's cache


def box_sum(volume: torch.Tensor, radius: int) -> torch.Tensor:
    """Sum over the window of 2r + 1 voxels along each spatial axis; zeros lie outside. It is its own adjoint.

    A window is a sum of windows of 1, 2, 4, … voxels, one for each binary digit of its length, and each of those is the
    sum of two of half its length: some 2 log₂(2r + 1) additions along an axis, and no difference that cancels.

    Args:
        volume: (B, C, *spatial).
        radius: r, ≥ 0.

    Returns:
        (B, C, *spatial).

    Example:
        >>> box_sum(torch.tensor([[[1.0, 2.0, 3.0, 4.0]]]), 1).tolist()
        [[[3.0, 6.0, 9.0, 7.0]]]
    """
    for axis in range(2, volume.dim()):
        volume = _in_slabs(volume, axis, partial(_window_sum, axis=axis, radius=radius))
    return volume


def box_counts(spatial_shape: list[int], radius: int, like: torch.Tensor) -> torch.Tensor:
    """Number of voxels that the window of :func:`box_sum` shares with the volume, (1, 1, *spatial_shape).

    Example:
        >>> box_counts([4], 1, torch.zeros(1)).tolist()
        [[[2.0, 3.0, 3.0, 2.0]]]
    """
    return box_sum(like.new_ones([1, 1, *spatial_shape]), radius)


def box_mean(volume: torch.Tensor, radius: int) -> torch.Tensor:
    """Mean over the voxels that the window of :func:`box_sum` shares with the volume, (B, C, *spatial).

    Example:
        >>> box_mean(torch.tensor([[[1.0, 2.0, 3.0, 4.0]]]), 1).tolist()
        [[[1.5, 2.0, 3.0, 3.5]]]
    """
    return box_sum(volume, radius) / box_counts(list(volume.shape[2:]), radius, volume)


def gaussian_smooth(volume: torch.Tensor, sigma: float) -> torch.Tensor:
    """Gaussian mean along each spatial axis, over the voxels that there are: constants keep their value.

    Args:
        volume: (B, C, *spatial), such as a field.
        sigma: voxels; 0 leaves the volume as it is. The Gaussian ends after three of them, at least one voxel away.

    Returns:
        (B, C, *spatial).

    Example:
        >>> gaussian_smooth(torch.ones(1, 1, 4, 4), 2.0).unique().round(decimals=5).tolist()
        [1.0]
    """
    if sigma == 0:
        return volume
    weights = [math.exp(-0.5 * (k / sigma) ** 2) for k in range(max(1, math.floor(TRUNCATION * sigma)) + 1)]
    # One channel at a time stays in the processor's cache.
    return torch.cat([_weighted_mean(part, weights) for part in at_least_float32(volume).split(1, dim=1)], dim=1)


def _in_slabs(volume: torch.Tensor, axis: int, along: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
    """Apply a function along one axis, to some layers of another one at a time."""
    across = 3 if axis == 2 else 2
    if volume.dim() <= across or volume.requires_grad or volume.is_cuda or volume.numel() < 4 * SLAB_VOXELS:
        return along(volume)
    rows = max(1, SLAB_VOXELS * volume.size(across) // volume.numel())
    total = torch.empty_like(volume, memory_format=torch.contiguous_format)
    for start in range(0, volume.size(across), rows):
        count = min(rows, volume.size(across) - start)
        total.narrow(across, start, count).copy_(along(volume.narrow(across, start, count).contiguous()))
    return total


def _window_sum(volume: torch.Tensor, axis: int, radius: int) -> torch.Tensor:
    size = volume.size(axis)
    shape = list(volume.shape)
    shape[axis] = size + 2 * radius
    power = volume.new_zeros(shape)  # sums of 1, later 2, 4, … voxels, the first of which is here
    power.narrow(axis, radius, size).copy_(volume)
    total, start, length, digits = power.narrow(axis, 0, size).clone(), 1, 1, radius
    while digits:
        shorter = power.size(axis) - length
        power = power.narrow(axis, 0, shorter) + power.narrow(axis, length, shorter)
        length *= 2
        if digits & 1:
            total += power.narrow(axis, start, size)
            start += length
        digits >>= 1
    return total


def _weighted_mean(volume: torch.Tensor, weights: list[float]) -> torch.Tensor:
    """Mean along every axis with weights of the distances 0, 1, 2, …"""
    for axis in range(2, volume.dim()):
        sums = _weighted_sum(volume.new_ones(volume.size(axis)), 0, weights)
        shares = sums.reciprocal().view(-1, *[1] * (volume.dim() - 1 - axis))
        volume = _in_slabs(volume, axis, lambda part, k=axis, c=shares: _weighted_sum(part, k, weights).mul_(c))
    return volume


def _weighted_sum(volume: torch.Tensor, axis: int, weights: list[float]) -> torch.Tensor:
    total, size = volume * weights[0], volume.size(axis)
    for distance in range(1, min(len(weights), size)):
        low, high = (total.narrow(axis, start, size - distance) for start in (0, distance))
        low.add_(volume.narrow(axis, distance, size - distance), alpha=weights[distance])
        high.add_(volume.narrow(axis, 0, size - distance), alpha=weights[distance])
    return total
