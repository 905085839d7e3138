"""Maps of world points: a field with an affine map after it, and the inverse of such a map."""

import torch

from ..fields.sampling import at_least_float32, sample
from .grid import Grid
from .resample import SLAB_VOXELS

NUM_INVERSION_STEPS = 50
INVERSION_TOLERANCE_MM = 1e-3


def apply_affine(matrix: torch.Tensor, points_mm: torch.Tensor) -> torch.Tensor:
    """Points (..., 3) through a (4, 4) world matrix, float64.

    Example:
        >>> apply_affine(torch.diag(torch.tensor([2.0, 2.0, 2.0, 1.0])), torch.ones(3)).tolist()
        [2.0, 2.0, 2.0]
    """
    matrix = matrix.to(points_mm.device, torch.float64)
    return points_mm.double() @ matrix[:3, :3].T + matrix[:3, 3]


def grid_points(grid: Grid, rows: slice, device: torch.device | str = "cpu") -> torch.Tensor:
    """World points of the voxels in a slab along the first axis, (rows, Y, Z, 3), RAS mm, float64.

    Example:
        >>> grid_points(Grid((4, 1, 1), torch.eye(4)), slice(1, 3))[:, 0, 0, 0].tolist()
        [1.0, 2.0]
    """
    axes = [torch.arange(size, device=device) for size in grid.spatial_shape]
    axes[0] = axes[0][rows]
    return grid.voxel_to_world(torch.stack(torch.meshgrid(axes, indexing="ij"), dim=-1))


def slabs(spatial_shape: tuple[int, ...], voxels: int = SLAB_VOXELS) -> list[slice]:
    """Slices of the first axis that hold about a number of voxels each.

    Example:
        >>> slabs((5, 10, 10), voxels=200)
        [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    """
    size = max(1, voxels // (spatial_shape[1] * spatial_shape[2]))
    return [slice(start, min(start + size, spatial_shape[0])) for start in range(0, spatial_shape[0], size)]


def affine_after_field(matrix: torch.Tensor, field_mm: torch.Tensor | None, grid: Grid) -> torch.Tensor:
    """Displacement of p ↦ A (p + u(p)).

    Args:
        matrix: A, (4, 4), RAS mm.
        field_mm: u, (3, X, Y, Z), RAS mm; None stands for zero.
        grid: grid of the field and of the result.

    Returns:
        (3, X, Y, Z), RAS mm, float32.

    Example:
        >>> matrix = torch.eye(4)
        >>> matrix[0, 3] = 2.0
        >>> affine_after_field(matrix, None, Grid((2, 2, 2), torch.eye(4)))[:, 0, 0, 0].tolist()
        [2.0, 0.0, 0.0]
    """
    out = torch.empty(3, *grid.spatial_shape)
    for rows in slabs(grid.spatial_shape):
        points = grid_points(grid, rows)
        moved = points if field_mm is None else points + field_mm[:, rows].cpu().movedim(0, -1)
        out[:, rows] = (apply_affine(matrix, moved) - points).movedim(-1, 0).float()
    return out


def invert_points(
    points_mm: torch.Tensor, field_mm: torch.Tensor, grid: Grid, matrix: torch.Tensor | None = None
) -> torch.Tensor:
    """Points p with φ(p) = q for φ(p) = p + u(p), by p ← p + A⁻¹ (q − φ(p)).

    With A near the Jacobian of φ, such as the affine part of a registration, it contracts wherever the rest of u has a
    Lipschitz constant below 1. Beyond its grid u keeps the displacement of its border.

    Args:
        points_mm: q, (N, 3), RAS mm.
        field_mm: u, (3, X, Y, Z), RAS mm.
        grid: grid of the field.
        matrix: A, (4, 4); None for the identity.

    Returns:
        p, (N, 3), RAS mm, float64.

    Example:
        >>> field_mm = torch.full((3, 2, 2, 2), 5.0)
        >>> invert_points(torch.full((1, 3), 6.0), field_mm, Grid((2, 2, 2), torch.eye(4))).round().tolist()
        [[1.0, 1.0, 1.0]]
    """
    target = points_mm.double()
    inverse = torch.eye(4, dtype=torch.float64) if matrix is None else torch.linalg.inv(matrix.double().cpu())
    linear = inverse[:3, :3]
    field = at_least_float32(field_mm)[None]
    points = target @ linear.T + inverse[:3, 3]
    for _ in range(NUM_INVERSION_STEPS):
        coordinates = grid.world_to_voxel(points).to(field.dtype)
        displacement = sample(field, coordinates.T[None, :, :, None, None])[0, :, :, 0, 0].T
        residual = target - points - displacement
        points = points + residual @ linear.T
        if not residual.numel() or residual.abs().max() < INVERSION_TOLERANCE_MM:
            break
    return points


def invert_field_mm(
    field_mm: torch.Tensor, grid: Grid, target: Grid, matrix: torch.Tensor | None = None
) -> torch.Tensor:
    """Displacement of the inverse map on another grid, w(q) = φ⁻¹(q) − q, slab by slab.

    Args:
        field_mm: u of φ = id + u, (3, X, Y, Z), RAS mm.
        grid: its grid, that of the fixed image.
        target: grid of the result, that of the moving image.
        matrix: affine part of φ, see :func:`invert_points`.

    Returns:
        (3, *target.spatial_shape), RAS mm, float32.

    Example:
        >>> grid = Grid((2, 2, 2), torch.eye(4))
        >>> invert_field_mm(torch.full((3, 2, 2, 2), 2.0), grid, grid).round().unique().tolist()
        [-2.0]
    """
    out = torch.empty(3, *target.spatial_shape)
    for rows in slabs(target.spatial_shape):
        points = grid_points(target, rows)
        inverse = invert_points(points.view(-1, 3), field_mm, grid, matrix).view(points.shape)
        out[:, rows] = (inverse - points).movedim(-1, 0).float()
    return out
