"""Projected earth mover's distance between histograms on a grid (Heinrich & Hansen, MIDL 2020, section 2)."""

import math

import torch
from torch import nn


def projection_directions(num_projections: int, spatial_dims: int = 2, angle_range: float = 180.0) -> torch.Tensor:
    """Unit vectors that the histogram is projected on.

    2-D: equally spaced angles in [0, angle_range), where 180° takes every line once. The literal reading of "angles
    between 0 and 90" (both ends included) is chosen by 90. 3-D: a golden-angle spiral over the half sphere.

    Args:
        num_projections: how many, ≥ 1.
        spatial_dims: 2 or 3.
        angle_range: degrees covered in 2-D, 180 or 90; 180 in 3-D.

    Returns:
        (K, D) float64, tensor-axis order.

    Raises:
        ValueError: for no projection, other dimensions or another range.

    Example:
        >>> projection_directions(2).abs().round().tolist()
        [[1.0, 0.0], [0.0, 1.0]]
    """
    if num_projections < 1 or spatial_dims not in (2, 3):
        raise ValueError(f"expected num_projections ≥ 1 and spatial_dims 2 or 3, got {num_projections}, {spatial_dims}")
    if angle_range != 180.0 and spatial_dims == 3:
        raise ValueError(f"expected angle_range 180 in 3-D, where others are not defined, got {angle_range}")
    steps = torch.arange(num_projections, dtype=torch.float64)
    if spatial_dims == 3:
        height = (steps + 0.5) / num_projections
        azimuth = steps * math.pi * (3 - math.sqrt(5))
        radius = (1 - height**2).sqrt()
        return torch.stack([radius * azimuth.cos(), radius * azimuth.sin(), height], dim=1)
    if angle_range not in (90.0, 180.0):
        raise ValueError(f"expected angle_range 180 (every line once) or 90 (the paper's letters), got {angle_range}")
    intervals = num_projections if angle_range == 180.0 else max(num_projections - 1, 1)
    angles = torch.deg2rad(steps * angle_range / intervals)
    return torch.stack([angles.cos(), angles.sin()], dim=1)


def cumulative_projection(num_bins: int, directions: torch.Tensor) -> torch.Tensor:
    """Matrix that splats a histogram on lines and cumulates it there: F_k = h · S_k · U.

    S_k spreads the mass of the bin at x linearly over the two bins of line k next to ⟨x, θ_k⟩ (bins one grid unit wide,
    centred on the histogram), so each row of S_k sums to 1; U is the upper triangle of ones.

    Args:
        num_bins: bins per axis n of the histogram, class order as in a C-ordered n × n (× n) array.
        directions: (K, D) unit vectors.

    Returns:
        (n**D, K · L) in the dtype of `directions`; L = 2·⌈√D · (n − 1)/2⌉ + 1 bins hold every corner.

    Example:
        >>> cumulative_projection(5, projection_directions(16)).shape
        torch.Size([25, 112])
    """
    spatial_dims = directions.shape[1]
    axis = torch.arange(num_bins, dtype=directions.dtype) - (num_bins - 1) / 2
    centers = torch.stack(torch.meshgrid([axis] * spatial_dims, indexing="ij"), dim=-1).reshape(-1, spatial_dims)
    reach = math.ceil(math.sqrt(spatial_dims) * (num_bins - 1) / 2)
    line = torch.arange(-reach, reach + 1, dtype=directions.dtype)
    position = centers @ directions.T  # ⟨x, θ_k⟩
    splat = (1 - (position[..., None] - line).abs()).clamp(min=0)  # linear weights, (n**D, K, L)
    return splat.cumsum(dim=-1).flatten(1)


def projected_emd(probabilities: torch.Tensor, others: torch.Tensor, projection: torch.Tensor, num_projections: int):
    """Mean distance of paired histograms, pEMD(p, q) = (1/K) Σ_k Σ_l |Σ_{j≤l} (S_k p − S_k q)_j|.

    Args:
        probabilities: (B, C) histograms over the classes, each summing to 1.
        others: (B, C), paired with `probabilities`.
        projection: (C, K · L) from :func:`cumulative_projection`.
        num_projections: K.

    Returns:
        Mean over the batch, in bins.

    Example:
        One bin along an axis costs 1 on that axis, nothing on the other:

        >>> projection = cumulative_projection(5, projection_directions(2))
        >>> p, q = torch.eye(25, dtype=torch.float64)[[12, 13]].unbind()
        >>> round(projected_emd(p[None], q[None], projection, 2).item(), 6)
        0.5
    """
    difference = (probabilities - others) @ projection
    return difference.abs().sum(dim=1).mean() / num_projections


class ProjectedEMDLoss(nn.Module):
    """:func:`projected_emd` with its matrix at hand.

    Args:
        num_projections: K; the paper uses 2 and 16.
        num_bins: bins per axis.
        spatial_dims: 2 or 3.
        angle_range: 180, by which the distance follows the exact EMD, or, in 2-D only, the letters of the paper, 90,
            by which a shift along one diagonal costs twice a shift along the other.

    Reference:
        Heinrich & Hansen, MIDL 2020, section 2, "Fast projected Earth Mover's distance".
    """

    def __init__(self, num_projections: int = 16, num_bins: int = 5, spatial_dims: int = 2, angle_range: float = 180.0):
        super().__init__()
        directions = projection_directions(num_projections, spatial_dims, angle_range)
        self.num_projections = num_projections
        self.register_buffer("projection", cumulative_projection(num_bins, directions).float(), persistent=False)

    def forward(self, probabilities: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
        """Mean distance of (B, C) histograms, a scalar in bins."""
        return projected_emd(probabilities, others, self.projection.to(probabilities), self.num_projections)
