"""Seeded smooth diffeomorphisms of known size: pairs whose exact registration is known."""

import math
from dataclasses import dataclass

import torch
from monai.networks.layers import GaussianFilter
from torch.nn import functional

from ...fields.ddf import integrate, resize

MAX_DRAWS = 50
NUM_RESCALINGS = 3


@dataclass(frozen=True)
class WarpSize:
    """How far a known warp moves the voxels of a mask, and how smooth it is.

    Attributes:
        mean_mm: mean length of the displacement in the mask, reached to a few percent.
        max_mm: no voxel of the mask moves farther; draws that do are drawn again.
        sigma_mm: of the Gaussian that smooths the velocity.
        step_mm: edge of the voxels on which the velocity is drawn and integrated. An inverse is as exact as linear
            interpolation between them: about step² · mean / (8 · sigma²).

    Raises:
        ValueError: for numbers that are not positive, or a maximum below the mean.
    """

    mean_mm: float = 4.0
    max_mm: float = 12.0
    sigma_mm: float = 16.0
    step_mm: float = 4.0

    def __post_init__(self) -> None:
        if not (0 < self.mean_mm <= self.max_mm and 0 < self.step_mm <= self.sigma_mm):
            raise ValueError(f"expected 0 < mean_mm ≤ max_mm and 0 < step_mm ≤ sigma_mm, got {self}")


def known_warp(
    mask: torch.Tensor, spacing_mm: float, size: WarpSize, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """A random diffeomorphism φ = exp(v) with the size asked for, and its inverse exp(−v).

    With moving = image ∘ φ⁻¹ the field of φ registers it: moving(x + u(x)) = image(x).

    Args:
        mask: (X, Y, Z), where the size is measured.
        spacing_mm: edge of a voxel, the same along all axes.
        size: of the displacement.
        generator: source of randomness, on the CPU.

    Returns:
        The ddf of φ and that of φ⁻¹, each (1, 3, X, Y, Z), voxels.

    Raises:
        ValueError: for an empty mask, or where no draw stays below the maximum.

    Example:
        >>> mask = torch.ones(32, 32, 32, dtype=torch.bool)
        >>> ddf, inverse = known_warp(mask, 2.0, WarpSize(2.0, 12.0), torch.Generator().manual_seed(0))
        >>> round(2 * ddf.norm(dim=1).mean().item(), 1)
        2.0
    """
    shape = list(mask.shape)
    ddf, inverse = coarse_warp(mask, spacing_mm, size, generator)
    return resize(ddf, shape), resize(inverse, shape)


def coarse_warp(
    mask: torch.Tensor, spacing_mm: float, size: WarpSize, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """The fields of :func:`known_warp` on the coarse grid on which they are made.

    Returns:
        The ddf of φ and that of φ⁻¹, each (1, 3, *coarse), voxels of that grid; its outermost voxel centers are those
        of the mask's grid, so :func:`~common.fields.ddf.resize` brings them there.
    """
    if not mask.any():
        raise ValueError("mask: expected some voxels to measure the displacement in, got none")
    shape = list(mask.shape)
    coarse = [max(2, math.ceil(length * spacing_mm / size.step_mm)) for length in shape]
    coarse_mask = functional.adaptive_max_pool3d(mask[None].float(), coarse)[0] > 0
    spacings = [spacing_mm * (n - 1) / (m - 1) for n, m in zip(shape, coarse, strict=True)]
    scale_mm = torch.tensor(spacings).view(1, 3, 1, 1, 1)
    for _ in range(MAX_DRAWS):
        velocity = _velocity(coarse, size.sigma_mm / size.step_mm, generator)
        for _ in range(NUM_RESCALINGS):  # the length grows almost linearly with the velocity
            lengths_mm = (integrate(velocity) * scale_mm).norm(dim=1)[0][coarse_mask]
            velocity = velocity * (size.mean_mm / lengths_mm.mean())
        ddf = integrate(velocity)
        if (ddf * scale_mm).norm(dim=1)[0][coarse_mask].max() <= size.max_mm:
            return ddf, integrate(-velocity)
    raise ValueError(f"no warp of mean {size.mean_mm} mm stays below {size.max_mm} mm in {MAX_DRAWS} draws")


def _velocity(shape: list[int], sigma: float, generator: torch.Generator) -> torch.Tensor:
    """Smooth normal noise, (1, 3, *shape), mean length one voxel."""
    margin = math.ceil(2 * sigma)
    noise = torch.randn(1, 3, *[length + 2 * margin for length in shape], generator=generator)
    inner = slice(margin, -margin)
    smooth = GaussianFilter(3, sigma)(noise)[:, :, inner, inner, inner]
    return smooth / smooth.norm(dim=1).mean()
