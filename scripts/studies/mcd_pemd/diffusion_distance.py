"""Diffusion distance between histograms on a grid (Ling & Okada, CVPR 2006)."""

import torch
from torch.nn import functional

SIGMA = 0.5  # bins, of the Gaussian; section 4.1 of the paper takes it with a window of 3 bins per axis


def gaussian_window(sigma: float = SIGMA) -> torch.Tensor:
    """Three samples of a Gaussian, at −1, 0 and 1, that sum to 1.

    Example:
        >>> [round(value, 4) for value in gaussian_window().tolist()]
        [0.1065, 0.787, 0.1065]
    """
    return (-(torch.tensor([-1.0, 0.0, 1.0]) ** 2) / (2 * sigma**2)).softmax(dim=0)


def diffusion_distance(probabilities: torch.Tensor, others: torch.Tensor, spatial_dims: int = 2) -> torch.Tensor:
    """Distance of paired histograms, K(p, q) = Σ_l ‖d_l‖₁ over a Gaussian pyramid of their difference.

    d₀ = p − q; d_l = (d_{l−1} ∗ φ) ↓ 2, with a Gaussian φ of standard deviation 0.5 bins in a window of 3 bins per axis
    and every second bin kept, until one bin is left: 5 → 3 → 2 → 1 bins per axis. Beyond its border a histogram is
    empty.
    A difference that diffuses away within few levels is small, so nearby bins count as similar.

    Args:
        probabilities: (B, n**D) histograms, classes as in a C-ordered array with n bins per axis.
        others: (B, n**D), paired with `probabilities`.
        spatial_dims: D, 2 or 3.

    Returns:
        (B,), ≥ 0, no unit.

    Raises:
        ValueError: where the shapes differ or are not those of histograms with as many bins on every axis.

    Example:
        >>> p, near, far = torch.eye(25)[[0, 1, 24]].split(1)
        >>> bool(diffusion_distance(p, near) < diffusion_distance(p, far))
        True

    Reference:
        Ling & Okada, "Diffusion distance for histogram comparison", CVPR 2006, equations 7 to 10.
    """
    num_bins = round(probabilities.shape[-1] ** (1 / spatial_dims))
    if probabilities.shape != others.shape or probabilities.dim() != 2 or num_bins**spatial_dims != others.shape[1]:
        raise ValueError(
            f"expected two (B, n**{spatial_dims}) batches, got {list(probabilities.shape)} and {list(others.shape)}"
        )
    difference = (probabilities - others).reshape(-1, *[num_bins] * spatial_dims)
    distance = difference.abs().flatten(1).sum(dim=1)
    while difference.shape[1] > 1:
        difference = _diffuse_and_halve(difference)
        distance = distance + difference.abs().flatten(1).sum(dim=1)
    return distance


def _diffuse_and_halve(field: torch.Tensor) -> torch.Tensor:
    """Convolve (B, *bins) with the Gaussian along every axis and keep every second bin of each."""
    window = gaussian_window().to(field).view(1, 1, 3)
    for axis in range(1, field.dim()):
        lines = field.movedim(axis, -1)
        halved = functional.conv1d(lines.reshape(-1, 1, lines.shape[-1]), window, stride=2, padding=1)
        field = halved.reshape(*lines.shape[:-1], -1).movedim(-1, axis)
    return field
