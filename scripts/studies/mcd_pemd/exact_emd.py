"""Exact earth mover's distance between histograms on a grid, through POT; an oracle for studies and tests."""

import torch
from monai.utils import optional_import

ot, _ = optional_import("ot")


def ground_distance(num_bins: int = 5, spatial_dims: int = 2) -> torch.Tensor:
    """Euclidean distance between the bins of a grid: (n**D, n**D) float64, in bins.

    Example:
        >>> ground_distance()[0, [0, 1, 6]].tolist()
        [0.0, 1.0, 1.4142135623730951]
    """
    axis = torch.arange(num_bins, dtype=torch.float64)
    bins = torch.stack(torch.meshgrid([axis] * spatial_dims, indexing="ij"), dim=-1).reshape(-1, spatial_dims)
    return torch.linalg.vector_norm(bins[:, None] - bins, dim=-1)


def exact_emd(probabilities: torch.Tensor, others: torch.Tensor, cost: torch.Tensor) -> torch.Tensor:
    """Exact distance of paired histograms, min over transport plans π of Σ_ij π_ij · cost_ij, one linear program each.

    Differentiable in both histograms through POT: the gradient is the dual potential, centered.

    Args:
        probabilities: (B, C) histograms, each summing to 1; float64 is advised.
        others: (B, C), paired with `probabilities`.
        cost: (C, C) from :func:`ground_distance`.

    Returns:
        (B,), in the unit of `cost`.

    Raises:
        OptionalImportError: where POT, of the extra `test`, is not installed.

    Example:
        >>> p, q = torch.eye(25, dtype=torch.float64)[[0, 24]].split(1)
        >>> round(exact_emd(p, q, ground_distance()).item(), 4)  # √(4² + 4²)
        5.6569

    Reference:
        Flamary et al., POT: Python Optimal Transport, JMLR 2021 (`ot.emd2`).
    """
    return torch.stack([ot.emd2(p, q, cost.to(p)) for p, q in zip(probabilities, others, strict=True)])
