"""Quantiles of large images, from a part of their voxels; of all of them or of the object in them."""

from collections.abc import Sequence

import torch

MAX_VOXELS = 1_000_000
NOISE_SHARE = 0.05  # of the contrast of an object; what differs less from the background is none of it


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


def background_level(volume: torch.Tensor) -> torch.Tensor:
    """Median over the six faces of a volume (1, X, Y, Z): a scalar.

    Example:
        >>> background_level(torch.full((1, 5, 5, 5), 7.0)).item()
        7.0
    """
    firsts = [volume.select(axis, 0).flatten() for axis in (1, 2, 3)]
    lasts = [volume.select(axis, -1).flatten() for axis in (1, 2, 3)]
    return torch.cat(firsts + lasts).median()


def object_range(
    volume: torch.Tensor, shares: tuple[float, float], inside: torch.Tensor | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Range of an object and its background: two quantiles over the object alone, widened to the background's level.

    Empty space around the object does not change it, as quantiles over all voxels do. The object is what differs from
    :func:`background_level` by more than 5 % of its contrast.

    Args:
        volume: (1, X, Y, Z), floating dtype, not constant.
        shares: in [0, 1].
        inside: the same shape, bool; voxels that count, besides the faces; None for all.

    Example:
        >>> volume = torch.zeros(1, 9, 9, 9)
        >>> volume[:, 3:6, 3:6, 3:6] = torch.arange(10.0, 37.0).view(3, 3, 3)
        >>> object_range(volume, (0.0, 1.0))
        (tensor(0.), tensor(36.))
    """
    level, voxels = background_level(volume), volume.flatten() if inside is None else volume[inside]
    voxels = voxels[:: 1 + voxels.numel() // MAX_VOXELS]
    contrast = (voxels - level).abs()
    is_object = contrast > NOISE_SHARE * contrast[contrast > 0].quantile(0.99) if contrast.any() else contrast > 0
    if not is_object.any():
        return voxels.min(), voxels.max()
    low, high = robust_range(voxels[is_object], shares)
    return torch.minimum(low, level), torch.maximum(high, level)
