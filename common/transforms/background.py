"""Background of an image of one object, as a skull-stripped head."""

import torch

NOISE_SHARE = 0.02  # of the range of intensities; smaller differences from the background's level are noise


def background_level(volume: torch.Tensor) -> torch.Tensor:
    """Median over the six faces of a volume (1, X, Y, Z): a scalar.

    Example:
        >>> background_level(torch.full((1, 5, 5, 5), 7.0)).item()
        7.0
    """
    faces = [volume.select(axis, place).flatten() for axis in (1, 2, 3) for place in (0, -1)]
    return torch.cat(faces).median()


def subtract_background(volume: torch.Tensor) -> torch.Tensor:
    """Shift intensities so that the background is 0, as patches have it beyond the border of a volume.

    The level of the background is :func:`background_level`; what differs from it by no more than
    2 % of the range becomes exactly 0. An image whose background is 0 without noise stays as it is.

    Args:
        volume: (1, X, Y, Z).

    Returns:
        (1, X, Y, Z).

    Example:
        >>> volume = torch.full((1, 5, 5, 5), 7.0)
        >>> volume[0, 2, 2, 2] = 107.0
        >>> subtract_background(volume).unique().tolist()
        [0.0, 100.0]
    """
    shifted = volume - background_level(volume)
    noise = NOISE_SHARE * (volume.max() - volume.min())
    return torch.where(shifted.abs() > noise, shifted, torch.zeros_like(shifted))
