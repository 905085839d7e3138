"""What a scanner does to an image: blur, thick slices, bias field, noise, another scale of intensities."""

import torch
import torch.nn.functional as F

from ...fields.smoothing import gaussian_smooth
from .draws import chance, log_uniform, uniform, whole

MAX_SLICE_VOXELS = 4.0


def acquired(image: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Each step with an own strength, most of them in a part of all draws: the image as it may be measured.

    Args:
        image: (X, Y, Z), intensities around [0, 1].
        generator: source of all randomness.

    Returns:
        (X, Y, Z), any unit.
    """
    image = gaussian_smooth(image[None, None], max(0.0, uniform(generator, -0.4, 1.0)))
    if chance(generator, 0.3):
        image = thick_slices(image, whole(generator, 2, 4), uniform(generator, 1.3, MAX_SLICE_VOXELS))
    control = uniform(generator, 0.0, 0.3) * torch.randn(1, 1, 3, 3, 3, generator=generator)
    bias = torch.exp(F.interpolate(control, image.shape[2:], mode="trilinear", align_corners=True))
    image = (image - image.min()).mul_(bias)
    image = image / image.max().clamp(min=1e-6)
    image = image ** (2.0 ** uniform(generator, -0.8, 0.8))
    noise = torch.randn(image.shape, generator=generator)
    image = image.add_(noise, alpha=log_uniform(generator, 0.003, 0.08))
    return image[0, 0]


def thick_slices(image: torch.Tensor, axis: int, voxels: float) -> torch.Tensor:
    """The image as slices of so many voxels show it, interpolated to its grid again, (1, 1, X, Y, Z)."""
    shape = list(image.shape[2:])
    sizes = list(shape)
    sizes[axis - 2] = max(2, round(shape[axis - 2] / voxels))
    slices = F.interpolate(image, sizes, mode="area")
    return F.interpolate(slices, shape, mode="trilinear")
