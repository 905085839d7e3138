"""Quantiles of large images, from a part of their voxels."""

from collections.abc import Sequence

import torch

MAX_VOXELS = 1_000_000


def sampled_quantiles(image: torch.Tensor, shares: Sequence[float], max_voxels: int = MAX_VOXELS) -> torch.Tensor:
    """Quantiles of every n-th voxel, n such that at most about ``max_voxels`` are sorted.

    Args:
        image: any shape, floating dtype.
        shares: in [0, 1].
        max_voxels: of the sample.

    Returns:
        (number of shares,), dtype and unit of ``image``.

    Example:
        >>> sampled_quantiles(torch.arange(5.0), [0.0, 0.5]).tolist()
        [0.0, 2.0]
    """
    voxels = image.flatten()
    return voxels[:: 1 + voxels.numel() // max_voxels].quantile(voxels.new_tensor(shares))


def robust_range(image: torch.Tensor, shares: tuple[float, float]) -> tuple[torch.Tensor, torch.Tensor]:
    """Two quantiles of an image, or its extremes where the two are equal.

    Example:
        >>> robust_range(torch.tensor([0.0] * 99 + [7.0]), (0.1, 0.9))
        (tensor(0.), tensor(7.))
    """
    low, high = sampled_quantiles(image, shares)
    return (low, high) if high > low else (image.min(), image.max())
