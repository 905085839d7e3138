"""Dense displacement fields from displacements at scattered points."""

import torch
from torch.nn import functional

POINTS_AT_ONCE = 65536


class ThinPlateSpline:
    """Smooth map that follows displacements given at control points.

    u(x) = Σ_i w_i φ(‖x − x_i‖) + A x + b with φ(r) = −r, the kernel of bending energy in three dimensions; w, A, b
    solve (K + λ I) w + P (b, A) = y, Pᵀ w = 0, where K_ij = φ(‖x_i − x_j‖) and P holds rows (1, x_i).

    Args:
        points: control points x_i, (N, 3), N ≥ 4, not all in one plane.
        displacements: y, (N, 3), in the same unit.
        smoothing: λ ≥ 0, in the unit of the points; 0 interpolates. A λ of (N,) smooths each point by its own.

    Raises:
        ValueError: where the two do not correspond, or fewer than four points, or points in one plane.

    Example:
        >>> points = torch.rand(20, 3, generator=torch.Generator().manual_seed(0))
        >>> spline = ThinPlateSpline(points, 0.5 * points, smoothing=1.0)
        >>> torch.allclose(spline(torch.ones(1, 3)), torch.full((1, 3), 0.5), atol=1e-4)
        True

    Reference: Bookstein, IEEE TPAMI 1989; λ as in Bigalke et al., MICCAI 2022: 0.1.
    """

    def __init__(self, points: torch.Tensor, displacements: torch.Tensor, smoothing: float | torch.Tensor = 0.1):
        if points.ndim != 2 or points.shape[1] != 3 or points.shape != displacements.shape or len(points) < 4:
            raise ValueError(
                f"expected points and displacements (N, 3) with N ≥ 4, got {tuple(points.shape)} and "
                f"{tuple(displacements.shape)}"
            )
        self.points = points.double()
        affine = functional.pad(self.points, (1, 0), value=1.0)
        if torch.linalg.matrix_rank(affine) < 4:
            raise ValueError("expected control points that are not all in one plane")
        count = len(points)
        system = self.points.new_zeros(count + 4, count + 4)
        system[:count, :count] = -torch.cdist(self.points, self.points)
        system.diagonal()[:count] += torch.as_tensor(smoothing).to(self.points)
        system[:count, count:], system[count:, :count] = affine, affine.T
        targets = functional.pad(displacements.double(), (0, 0, 0, 4))
        self.weights = torch.linalg.solve(system, targets)

    def __call__(self, points: torch.Tensor) -> torch.Tensor:
        """Displacements (M, 3) at points (M, 3), dtype of ``points``."""
        count = len(self.points)
        parts = []
        for part in points.to(self.points).split(POINTS_AT_ONCE):
            kernel = -torch.cdist(part, self.points) @ self.weights[:count]
            parts.append(kernel + functional.pad(part, (1, 0), value=1.0) @ self.weights[count:])
        return torch.cat(parts).to(points)
