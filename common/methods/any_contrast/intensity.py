"""Intensities as the network of features takes them, whatever their unit."""

import torch

from ...fields.sampling import at_least_float32
from ...quantiles import background_level


def normalized_intensity(image: torch.Tensor, limit: float = 1.5) -> torch.Tensor:
    """2 (I − low) / (high − low) − 1, with quantiles of 1 and 99 % over the object, widened to the background's level.

    I and a I + b with a > 0 have the same result. The object is what differs from
    :func:`~common.quantiles.background_level`, so empty space around it changes nothing.

    Args:
        image: (B, 1, X, Y, Z), any unit.
        limit: bound of the absolute values.

    Returns:
        The same shape, at least float32; zeros for a constant image.

    Raises:
        ValueError: for an image of another shape.

    Example:
        >>> image = torch.arange(27.0).view(1, 1, 3, 3, 3)
        >>> torch.allclose(normalized_intensity(image), normalized_intensity(5 * image - 100), atol=1e-5)
        True
    """
    if image.dim() != 5 or image.size(1) != 1:
        raise ValueError(f"expected an image of shape (B, 1, X, Y, Z), got {list(image.shape)}")
    volumes: list[torch.Tensor] = []
    for k in range(image.size(0)):
        volume = at_least_float32(image[k])
        low, high = intensity_range(volume)
        volumes.append((2 * (volume - low) / (high - low) - 1).clamp(-limit, limit))
    return torch.stack(volumes)


def intensity_range(
    volume: torch.Tensor, noise_share: float = 0.05, max_voxels: int = 1_000_000
) -> tuple[torch.Tensor, torch.Tensor]:
    """Lowest and highest intensity of an object, without outliers, in images (1, X, Y, Z); differ in any case.

    Args:
        volume: floating dtype, any unit.
        noise_share: of the contrast to the background; what differs less from it is none of the object.
        max_voxels: that are sorted, at most about so many.

    Example:
        >>> volume = torch.zeros(1, 9, 9, 9)
        >>> volume[:, 3:6, 3:6, 3:6] = 7.0
        >>> intensity_range(volume)
        (tensor(0.), tensor(7.))
    """
    level = background_level(volume)
    values = volume.flatten()
    values = values[:: 1 + values.numel() // max_voxels]
    contrast = (values - level).abs()
    if bool(contrast.max() == 0):
        return level - 1, level + 1
    values = values[contrast > noise_share * torch.quantile(contrast[contrast > 0], 0.99)]
    return torch.minimum(torch.quantile(values, 0.01), level), torch.maximum(torch.quantile(values, 0.99), level)
