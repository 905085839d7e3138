"""Regularization of a predicted distribution of velocities by a smooth prior, as in VoxelMorph-diff."""

import torch
from torch.nn import functional


def velocity_prior(mean: torch.Tensor, log_variance: torch.Tensor, weight: float = 10.0) -> torch.Tensor:
    """Regularization of a distribution N(μ, diag σ²) of velocities after its divergence from N(0, (λ L)⁻¹).

    R = D/2 · [ mean(λ d σ² − log σ²) + λ/(2 D) · Σ_k mean (∂_k μ)² ], with L = d − A the Laplacian of the grid: d is
    the number of neighbors that a voxel has (2 D inside, less at the border), A the adjacency, ∂_k forward differences.
    The first term is that of the KL divergence per voxel, without constants. The KL has λ · Σ_k mean (∂_k μ)² for the
    second: as in the authors' code it is 2 D times weaker here, and the paper's λ of 10 is meant so.

    Args:
        mean: μ, (B, D, *spatial), voxels of its grid.
        log_variance: log σ², (B, D, *spatial).
        weight: λ, the precision of the prior, ≥ 0; the paper uses 10.

    Returns:
        A scalar.

    Raises:
        ValueError: for a negative weight or shapes that differ.

    Example:
        >>> flat = torch.zeros(1, 3, 2, 2, 2)  # every voxel has 3 neighbors: R = 3/2 · (10 · 3 · 1 − 0)
        >>> velocity_prior(flat, flat).item()
        45.0

    Reference:
        Dalca et al., Medical Image Analysis 2019, the authors' code (losses.KL). Differs from equation 5 there in
        the weight of the mean's term, as the code does.
    """
    if weight < 0 or mean.shape != log_variance.shape:
        raise ValueError(
            f"expected a weight ≥ 0 and equal shapes, got {weight}, {tuple(mean.shape)} and {tuple(log_variance.shape)}"
        )
    spatial_dims = mean.shape[1]
    mean, log_variance = mean.float(), log_variance.float()
    variance_term = (weight * num_neighbors(mean) * log_variance.exp() - log_variance).mean()
    slopes = sum(mean.diff(dim=axis).square().mean() for axis in range(2, mean.ndim))
    return spatial_dims / 2 * (variance_term + weight / (2 * spatial_dims) * slopes)


def num_neighbors(volume: torch.Tensor) -> torch.Tensor:
    """Number of face neighbors within the grid, (1, 1, *spatial), for a volume (B, C, *spatial).

    Example:
        >>> num_neighbors(torch.zeros(1, 1, 3, 3))[0, 0].tolist()
        [[2.0, 3.0, 2.0], [3.0, 4.0, 3.0], [2.0, 3.0, 2.0]]
    """
    count = torch.zeros(1, 1, *volume.shape[2:], device=volume.device)
    for axis in range(2, volume.ndim):
        inner = torch.ones(max(volume.shape[axis] - 1, 0), device=volume.device)
        along = functional.pad(inner, (1, 0)) + functional.pad(inner, (0, 1))
        count = count + along.view([-1 if k == axis else 1 for k in range(volume.ndim)])
    return count
