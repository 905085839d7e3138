"""The affine map nearest to what single patches say about their displacement."""

import torch

NUM_REWEIGHTINGS = 5
SCALE_VOXELS = 10.0  # half the distance of two classes: votes that lie farther off count ever less
RIDGE = 1e-6


def fit_affine(points: torch.Tensor, displacement: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Affine displacement u(x) = A x + t nearest to votes: min over A, t of Σ w_i ρ(‖A x_i + t − u_i‖).

    ρ(r) = s² log(1 + r²/s²) / 2 lets wrong classes, which are off by 19 voxels or more, count less; it is minimized by
    least squares with weights w_i / (1 + r_i²/s²), anew a few times.

    Args:
        points: x, (N, 3), voxels.
        displacement: u, (N, D), voxels.
        weight: w, (N,), ≥ 0.

    Returns:
        (D, 4), A and t; 0 where no vote has a weight.

    Example:
        >>> points = torch.tensor([[0.0, 0, 0], [9, 0, 0], [0, 9, 0], [0, 0, 9]])
        >>> affine = fit_affine(points, 0.5 * points + 2, torch.ones(4)).round(decimals=3)
        >>> affine[:, :3].diag().tolist(), affine[:, 3].tolist()
        ([0.5, 0.5, 0.5], [2.0, 2.0, 2.0])
    """
    center = points.mean(dim=0)
    size = (points - center).abs().amax().clamp(min=1.0)
    terms = torch.cat([(points - center) / size, torch.ones_like(points[:, :1])], dim=1).double()
    displacement, weight = displacement.double(), weight.double()
    total = weight.sum().clamp(min=1e-12)
    solution, current = torch.zeros(4, displacement.shape[1], dtype=torch.float64, device=points.device), weight / total
    for _ in range(NUM_REWEIGHTINGS):
        weighted = current[:, None] * terms
        normal = terms.mT @ weighted + RIDGE * torch.eye(4, dtype=torch.float64, device=points.device)
        solution = torch.linalg.solve(normal, weighted.mT @ displacement)
        residual = (terms @ solution - displacement).square().sum(dim=1)
        current = weight / total / (1 + residual / SCALE_VOXELS**2)
    matrix = solution[:3].mT / size
    shift = solution[3] - matrix @ center.double()
    return torch.cat([matrix, shift[:, None]], dim=1).to(points)


def affine_field(affine: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    """u(x) = A x + t at positions (..., 3): (D, ...).

    Example:
        >>> affine_field(torch.tensor([[1.0, 0, 0, 5]]), torch.tensor([[2.0, 0, 0]])).tolist()
        [[7.0]]
    """
    return torch.einsum("dk,...k->d...", affine[:, :3], positions) + affine[:, 3].view(-1, *[1] * (positions.ndim - 1))
