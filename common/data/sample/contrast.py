"""From tissue fractions to an image with the look of one MR contrast."""

import torch
import torch.nn.functional as F

from ...words import one_of

TISSUE_MEANS = {
    "T1": (50.0, 140.0, 210.0),
    "T2": (230.0, 130.0, 85.0),
    "FLAIR": (30.0, 190.0, 140.0),
}
"""Mean intensity of cerebrospinal fluid, grey and white matter, on a scale from 0 to 255."""
MEAN_SPREAD = 0.05
BIAS_SPREAD = 0.08
NOISE_SIGMA = 5.0


def render_contrast(
    tissues: torch.Tensor, contrast: str, generator: torch.Generator, artifacts: float = 1.0
) -> torch.Tensor:
    """Image of one contrast: Σ_k μ_k p_k times a smooth bias field, plus Gaussian noise inside the head.

    Args:
        tissues: fractions p (3, X, Y, Z) of cerebrospinal fluid, grey and white matter.
        contrast: one of T1, T2, FLAIR.
        generator: source of the spread of the means μ, the bias field and the noise.
        artifacts: factor on all three; 0 gives Σ_k μ_k p_k.

    Returns:
        Image (1, X, Y, Z), rounded to whole numbers from 0 to 255.

    Raises:
        ValueError: an unknown contrast.

    Example:
        >>> fluid = torch.tensor([1.0, 0.0, 0.0]).view(3, 1, 1, 1)
        >>> render_contrast(fluid, "T2", torch.Generator(), artifacts=0).item()
        230.0
    """
    one_of("contrast", contrast, TISSUE_MEANS)
    spatial_shape = tissues.shape[1:]
    spread = torch.exp(artifacts * MEAN_SPREAD * torch.randn(3, generator=generator))
    means = torch.tensor(TISSUE_MEANS[contrast]) * spread
    image = torch.einsum("k,kxyz->xyz", means, tissues)[None]
    control = artifacts * BIAS_SPREAD * torch.randn(1, 1, 4, 4, 4, generator=generator)
    bias = torch.exp(F.interpolate(control, spatial_shape, mode="trilinear", align_corners=True)[0])
    noise = artifacts * NOISE_SIGMA * torch.randn(1, *spatial_shape, generator=generator)
    inside = tissues.sum(0, keepdim=True) > 0.05
    return torch.where(inside, image * bias + noise, image).round().clamp(0, 255)
