"""Averages of an image over the voxels of a mask, and an image filled by them."""

from collections.abc import Callable

import torch

from .smoothing import gaussian_smooth

FILL_SIGMA = 3.0  # voxels
LEAST_SHARE = 1e-3  # of voxels of the mask in an average, below which the others count as well


def masked_mean(
    image: torch.Tensor, mask: torch.Tensor, average: Callable[[torch.Tensor], torch.Tensor]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Average of the voxels in a mask, ⟨m f⟩ / ⟨m⟩, and their share ⟨m⟩; without any, the average ⟨f⟩ of all.

    Args:
        image: f, (1, *spatial).
        mask: m, the same shape, 0 to 1.
        average: ⟨·⟩, linear, maps (C, *spatial) to (C, *out) and keeps constants.

    Returns:
        (1, *out) and (1, *out).

    Example:
        >>> image, mask = torch.tensor([[1.0, 9.0, 4.0, 8.0]]), torch.tensor([[1.0, 0.0, 0.0, 0.0]])
        >>> mean, share = masked_mean(image, mask, lambda volume: volume.unflatten(1, (2, 2)).mean(dim=2))
        >>> mean.tolist(), share.tolist()
        ([[1.0, 6.0]], [[0.5, 0.0]])
    """
    weight = mask.to(image)
    total, share = average(torch.cat([image * weight, weight])).split(1)
    return torch.where(share > LEAST_SHARE, total / share.clamp(min=LEAST_SHARE), average(image)), share


def filled(image: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    """An image whose masked voxels continue what lies around them, so that nothing of their content is left.

    Args:
        image: (1, *spatial).
        share: of each voxel that is in the mask, (1, *spatial); below a half, it is replaced.

    Returns:
        (1, *spatial); 0 farther than some ten voxels from the mask.

    Example:
        >>> share = torch.tensor([[1.0, 1.0, 0.0, 1.0]])
        >>> filled(torch.tensor([[5.0, 5.0, 90.0, 5.0]]), share).round(decimals=3).tolist()
        [[5.0, 5.0, 5.0, 5.0]]
    """
    mask = share >= 0.5
    mean, _ = masked_mean(image * mask, mask, lambda volume: gaussian_smooth(volume[None], FILL_SIGMA)[0])
    return torch.where(mask, image, mean)
