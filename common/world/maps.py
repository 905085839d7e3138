"""Maps of world points: a field, a field with an affine map after it, and the inverse of such a map."""

from dataclasses import dataclass, field
from functools import cached_property

import torch
from monai.data import MetaTensor
from numpy.typing import ArrayLike

from ..fields.sampling import at_least_float32, sample
from .grid import Grid, grid_points, image_name, on_grid, slabs
from .resample import move_points, warp_moving

NUM_INVERSION_STEPS = 50
INVERSION_TOLERANCE_MM = 1e-3


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
    matrix = matrix.to("cpu", torch.float64)
    # A (p + u) − p = (A − I) p + L u with the linear part L; the first is a sum of one term per axis.
    per_voxel = (matrix - torch.eye(4)) @ grid.affine
    x, y, z = (torch.arange(size, dtype=torch.float64) for size in grid.spatial_shape)
    out = torch.empty(3, *grid.spatial_shape)
    for row, (by_x, by_y, by_z, shift) in zip(out, per_voxel[:3].tolist(), strict=True):
        for rows in slabs(grid.spatial_shape):
            row[rows] = (shift + by_x * x[rows, None] + by_y * y)[:, :, None] + by_z * z
    if field_mm is not None:
        out.view(3, -1).addmm_(matrix[:3, :3].float(), field_mm.cpu().float().reshape(3, -1))
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


def as_points(points_mm: ArrayLike | torch.Tensor) -> torch.Tensor:
    """Points (N, 3) as float64, from a tensor, an array or lists.

    Raises:
        ValueError: for another shape.

    Example:
        >>> as_points([[1, 2, 3]])
        tensor([[1., 2., 3.]], dtype=torch.float64)
    """
    points = torch.as_tensor(points_mm, dtype=torch.float64)
    if points.ndim != 2 or points.shape[1] != 3:
        raise ValueError(f"expected points of shape (N, 3), got {tuple(points.shape)}")
    return points


@dataclass(eq=False, repr=False)
class WorldMap:
    """A map of world points of the fixed image to world points of the moving image, φ(p) = p + u(p).

    Args:
        fixed: (1, X, Y, Z), MetaTensor.
        moving: (1, X', Y', Z'), MetaTensor.
        field: u, (3, X, Y, Z), RAS mm, on the fixed image's grid; initial alignment and affine included.
        initial: (4, 4), RAS mm, the alignment before anything was optimized.
        affine: (4, 4), RAS mm, initial alignment and affine together, φ without its dense part.

    Example:
        >>> image = MetaTensor(torch.rand(1, 4, 4, 4), affine=torch.eye(4))
        >>> shift = WorldMap(image, image, MetaTensor(torch.ones(3, 4, 4, 4), affine=torch.eye(4)))
        >>> shift
        WorldMap(moving onto fixed, 4 × 4 × 4 voxels, moved by 1.73 mm on average)
        >>> shift.move_points(torch.zeros(1, 3)).tolist()
        [[1.0, 1.0, 1.0]]
        >>> shift.inverse.unique().round().tolist()
        [-1.0]
    """

    fixed: MetaTensor
    moving: MetaTensor
    field: MetaTensor
    initial: torch.Tensor = field(default_factory=lambda: torch.eye(4, dtype=torch.float64))
    affine: torch.Tensor = field(default_factory=lambda: torch.eye(4, dtype=torch.float64))

    def __repr__(self) -> str:
        names = [image_name(image, word) for image, word in ((self.fixed, "fixed"), (self.moving, "moving"))]
        shape = " × ".join(map(str, self.grid.spatial_shape))
        moved = self.field.as_tensor().norm(dim=0).mean().item()
        return f"{type(self).__name__}({names[1]} onto {names[0]}, {shape} voxels, moved by {moved:.2f} mm on average)"

    @property
    def grid(self) -> Grid:
        """Grid of the fixed image and of the field."""
        return Grid.from_image(self.field)

    def warp(self, image: MetaTensor, mode: str = "bilinear", background: float | None = 0.0) -> MetaTensor:
        """Bring an image of the moving image's world onto the fixed image's grid, interpolated once.

        Args:
            image: (1, X', Y', Z'); the moving image, or another on any grid in the same world.
            mode: "bilinear", or "nearest" for label maps.
            background: value outside the image; None repeats its border voxels.

        Returns:
            (1, X, Y, Z).
        """
        warped = warp_moving(image, Grid.from_image(image), self.field.as_tensor(), self.grid, mode, background)
        return on_grid(warped, self.grid, like=image)

    @cached_property
    def inverse(self) -> MetaTensor:
        """Field of φ⁻¹ on the moving image's grid, (3, X', Y', Z'), RAS mm: it warps the fixed image."""
        target = Grid.from_image(self.moving)
        inverse = invert_field_mm(self.field.as_tensor(), self.grid, target, self.affine)
        return on_grid(inverse, target, like=self.moving)

    def move_points(self, points_mm: ArrayLike | torch.Tensor) -> torch.Tensor:
        """Points of the fixed image to the moving image, p ↦ φ(p): (N, 3) → (N, 3), RAS mm; lists and NumPy too."""
        return move_points(as_points(points_mm), self.field.as_tensor(), self.grid)

    def move_points_back(self, points_mm: ArrayLike | torch.Tensor) -> torch.Tensor:
        """Points of the moving image to the fixed image, q ↦ φ⁻¹(q): (N, 3) → (N, 3), RAS mm."""
        return invert_points(as_points(points_mm), self.field.as_tensor(), self.grid, self.affine)

    def before(self) -> "WorldMap":
        """The map of the initial alignment alone."""
        field_mm = affine_after_field(self.initial, None, self.grid)
        return WorldMap(self.fixed, self.moving, on_grid(field_mm, self.grid, like=self.fixed), self.initial)
