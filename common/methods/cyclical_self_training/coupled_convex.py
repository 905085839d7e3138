"""Coupled convex optimization: a smooth field from a cost volume, differentiable in the cost."""

import torch

from .correlation import displacement_cube
from .smoothing import box_smooth

COUPLINGS = (0.003, 0.03, 0.3)
SHARPNESS = 20.0


def soft_argmin(cost_volume: torch.Tensor, displacements: torch.Tensor, sharpness: float = SHARPNESS) -> torch.Tensor:
    """Expected displacement u(x) = Σ_d softmax_d(−δ C_d(x)) d.

    Args:
        cost_volume: C, (B, L, *cells).
        displacements: d, (L, D).
        sharpness: δ; as it grows the result tends to the displacement of least cost.

    Returns:
        (B, D, *cells), in the unit of ``displacements``.

    Example:
        >>> cost_volume = torch.tensor([9.0, 0.0, 0.0]).view(1, 3, 1, 1)
        >>> soft_argmin(cost_volume, torch.tensor([[-1.0], [0.0], [1.0]])).item()
        0.5
    """
    weights = torch.softmax(-sharpness * cost_volume, dim=1)
    field = torch.matmul(displacements.to(weights).t(), weights.flatten(2))
    # TorchScript does not unpack lists into lists.
    return field.view([cost_volume.size(0), displacements.size(1)] + list(cost_volume.shape[2:]))  # noqa: RUF005


def coupling_cost(ddf: torch.Tensor, displacements: torch.Tensor) -> torch.Tensor:
    """Squared distance of every candidate to a field: ‖d − u(x)‖², (B, D, *cells) → (B, L, *cells).

    Computed as ‖d‖² − 2 d·u + ‖u‖², which needs no (B, L, D, *cells) tensor.
    """
    displacements = displacements.to(ddf)
    inner = torch.matmul(displacements, ddf.flatten(2))
    inner = inner.view([ddf.size(0), -1] + list(ddf.shape[2:]))  # noqa: RUF005
    squares = displacements.square().sum(dim=1).view([1, -1] + [1] * (ddf.dim() - 2))
    return squares - 2.0 * inner + ddf.square().sum(dim=1, keepdim=True)


def coupled_convex(
    cost_volume: torch.Tensor,
    radius: int,
    couplings: list[float],
    sharpness: float = 20.0,
    zero_border: bool = True,
) -> torch.Tensor:
    """Field that matches well and is smooth, by turns: candidates are chosen near u, then u is averaged.

        u₀ = softargmin C;  for c in couplings: u ← box₃(softargmin_d (C_d + c ‖d − u‖²))

    Args:
        cost_volume: C, (B, (2r + 1)³, *cells), for the displacements of :func:`~.correlation.displacement_cube`.
        radius: r, cells.
        couplings: c, growing, so that the two fields come together.
        sharpness: δ of :func:`soft_argmin`.
        zero_border: see :func:`~.smoothing.box_smooth`; the authors' code has zeros outside.

    Returns:
        u, (B, 3, *cells), cells.

    Raises:
        ValueError: where the cost volume does not have (2r + 1)³ channels.

    Example:
        >>> coupled_convex(torch.zeros(1, 27, 4, 4, 4), 1, [0.003, 0.03, 0.3]).abs().max().item() < 1e-6
        True

    Reference:
        Heinrich et al., MICCAI 2014; differentiable as in Siebert & Heinrich, WBIR 2022, with the constants that gave
        the results of Bigalke et al., MICCAI 2023.
    """
    displacements = displacement_cube(radius).to(cost_volume)
    if cost_volume.size(1) != displacements.size(0):
        raise ValueError(
            f"expected {displacements.size(0)} displacements for a radius of {radius}, got {cost_volume.size(1)}"
        )
    field = soft_argmin(cost_volume, displacements, sharpness)
    for coupling in couplings:
        coupled = cost_volume + coupling * coupling_cost(field, displacements)
        field = box_smooth(soft_argmin(coupled, displacements, sharpness), 1, zero_border)
    return field
