"""Intensities of patches, normalized by the statistics of their volume or by their own."""

import torch

EPSILON = 1e-6


def volume_statistics(volume: torch.Tensor) -> tuple[float, float]:
    """Mean and standard deviation of the voxels that are not background (0).

    Raises:
        ValueError: if there are no such voxels or all are equal.
    """
    foreground = volume[volume != 0].double()
    if foreground.numel() < 2 or foreground.std() == 0:
        raise ValueError("expected a volume with at least two different intensities other than 0, got a constant one")
    return foreground.mean().item(), foreground.std().item()


def normalize_volume(patches: torch.Tensor, mean: float, sd: float) -> torch.Tensor:
    """Normalize patches by the statistics of the volume they come from, (x − mean) / sd."""
    return (patches - mean) / sd


def normalize_patch(patches: torch.Tensor) -> torch.Tensor:
    """Normalize every patch by its own statistics: (N, *spatial) → (N, *spatial); a constant patch becomes 0.

    Example:
        >>> normalize_patch(torch.tensor([[1.0, 3.0], [5.0, 5.0]])).round(decimals=3).tolist()
        [[-1.0, 1.0], [0.0, 0.0]]
    """
    dims = list(range(1, patches.ndim))
    centered = patches - patches.mean(dims, keepdim=True)
    return centered / (centered.square().mean(dims, keepdim=True).sqrt() + EPSILON)
