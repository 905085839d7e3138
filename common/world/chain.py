"""Maps of world points one after the other, as ITK composes transforms: applied to points, images and grids."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch

from ..fields.sampling import at_least_float32, sample
from .grid import Grid, apply_affine, grid_points, slabs
from .maps import invert_points

INTERPOLATIONS = ("linear", "nearest", "label")
NUM_FITTED = 20  # voxels per axis, at most, to which the affine part of a field is fitted
UNSOLVED_MM = 0.1  # residual beyond which a point has no inverse


@dataclass(frozen=True, eq=False)
class LinearMap:
    """p ↦ A p.

    Args:
        matrix: A, (4, 4), RAS mm.
    """

    matrix: torch.Tensor

    def __call__(self, points_mm: torch.Tensor) -> torch.Tensor:
        """(N, 3) → (N, 3), RAS mm, float64."""
        return apply_affine(self.matrix, points_mm)

    def inverse(self) -> "LinearMap":
        """p ↦ A⁻¹ p."""
        return LinearMap(torch.linalg.inv(self.matrix.double()))


@dataclass(frozen=True, eq=False)
class FieldMap:
    """p ↦ p + u(p), interpolated linearly; beyond the outermost voxels points stay, as in ITK.

    Args:
        field_mm: u, (3, X, Y, Z), RAS mm.
        grid: grid of the field.
    """

    field_mm: torch.Tensor
    grid: Grid

    def __call__(self, points_mm: torch.Tensor) -> torch.Tensor:
        """(N, 3) → (N, 3), RAS mm, float64."""
        voxels = self.grid.world_to_voxel(points_mm)
        field = at_least_float32(self.field_mm)[None]
        displacement = sample(field, voxels.to(field.dtype).T[None, :, :, None, None])[0, :, :, 0, 0].T
        return points_mm.double() + displacement.double() * is_inside(voxels, self.grid.spatial_shape)[:, None]

    def inverse(self) -> "InverseFieldMap":
        """The inverse, found point by point."""
        return InverseFieldMap(self)

    @cached_property
    def linear_part(self) -> torch.Tensor:
        """The affine map nearest to this one in the least-squares sense, (4, 4), RAS mm, float64."""
        steps = [max(1, -(-size // NUM_FITTED)) for size in self.grid.spatial_shape]
        axes = [torch.arange(0, size, step) for size, step in zip(self.grid.spatial_shape, steps, strict=True)]
        points = self.grid.voxel_to_world(torch.stack(torch.meshgrid(axes, indexing="ij"), dim=-1)).view(-1, 3)
        moved = self(points)
        if min(map(len, axes)) < 2:  # a plane does not tell what lies beside it
            matrix = torch.eye(4, dtype=torch.float64)
            matrix[:3, 3] = (moved - points).mean(dim=0)
            return matrix
        rows = torch.cat([points, torch.ones(len(points), 1, dtype=torch.float64)], dim=1)
        matrix = torch.eye(4, dtype=torch.float64)
        matrix[:3] = torch.linalg.lstsq(rows, moved).solution.T
        return matrix


@dataclass(frozen=True, eq=False)
class InverseFieldMap:
    """The inverse of a field's map; beyond its grid the field is continued by its border."""

    field_map: FieldMap

    def __call__(self, points_mm: torch.Tensor) -> torch.Tensor:
        """(N, 3) → (N, 3), RAS mm, float64; warns where folds leave points without an inverse."""
        field = self.field_map
        found = invert_points(points_mm, field.field_mm, field.grid, field.linear_part)
        inside = is_inside(field.grid.world_to_voxel(found), field.grid.spatial_shape)
        rest = (field(found) - points_mm).norm(dim=1)[inside]
        unsolved = int((rest > UNSOLVED_MM).sum())
        if unsolved:
            warnings.warn(
                f"inverse: {unsolved} of {len(points_mm)} points are off by more than {UNSOLVED_MM} mm,"
                f" at most {rest.max().item():.2f} mm, where the field folds",
                stacklevel=2,
            )
        return found

    def inverse(self) -> FieldMap:
        """The field's own map."""
        return self.field_map


@dataclass(frozen=True, eq=False)
class Chain:
    """Maps that points pass one after the other, from the reference's world into that of the image to be warped.

    ITK's resampling asks for the same direction, and ``antsApplyTransforms`` lists its transforms in the same order.

    Args:
        maps: in the order in which points pass them; none stands for the identity.

    Example:
        >>> shift = torch.eye(4)
        >>> shift[0, 3] = 2.0
        >>> Chain((LinearMap(shift), LinearMap(2 * torch.eye(4)))).move_points(torch.ones(1, 3)).tolist()
        [[6.0, 2.0, 2.0]]
    """

    maps: Sequence[LinearMap | FieldMap | InverseFieldMap] = ()

    def __add__(self, other: "Chain") -> "Chain":
        """This chain, then another."""
        return Chain((*self.maps, *other.maps))

    def inverse(self) -> "Chain":
        """The inverses in reversed order."""
        return Chain(tuple(part.inverse() for part in reversed(self.maps)))

    @property
    def matrix(self) -> torch.Tensor | None:
        """All maps as one matrix, (4, 4), RAS mm, float64; None where one of them is a field."""
        total = torch.eye(4, dtype=torch.float64)
        for part in self.maps:
            if not isinstance(part, LinearMap):
                return None
            total = part.matrix.double() @ total
        return total

    def move_points(self, points_mm: torch.Tensor) -> torch.Tensor:
        """Points of the reference's world to that of the image: (N, 3) → (N, 3), RAS mm, float64."""
        points_mm = points_mm.double()
        for part in self.maps:
            points_mm = part(points_mm)
        return points_mm

    def field_on(self, grid: Grid) -> torch.Tensor:
        """Displacement of all maps together on a grid, (3, X, Y, Z), RAS mm, float32, slab by slab.

        Example:
            >>> Chain().field_on(Grid((2, 2, 2), torch.eye(4))).unique().tolist()
            [0.0]
        """
        field_mm = torch.empty(3, *grid.spatial_shape)
        for rows in slabs(grid.spatial_shape):
            points = grid_points(grid, rows)
            moved = self.move_points(points.view(-1, 3)).view(points.shape)
            field_mm[:, rows] = (moved - points).movedim(-1, 0).float()
        return field_mm

    def resample(
        self, image: torch.Tensor, source: Grid, target: Grid, interpolation: str = "linear", background: float = 0.0
    ) -> torch.Tensor:
        """Bring an image onto a grid, interpolated once whatever the number of maps, with ITK's border.

        Args:
            image: (1, X, Y, Z), any unit.
            source: grid of the image.
            target: grid of the result, the reference's.
            interpolation: "linear"; "nearest"; "label": the class with the largest linearly interpolated share.
            background: value beyond half a voxel from the outermost centers.

        Returns:
            (1, *target.spatial_shape), float32, or float64 for float64 and, in "nearest" and "label", for integers.

        Example:
            >>> line = torch.tensor([1.0, 2.0, 3.0]).view(1, 3, 1, 1)
            >>> target = Grid((2, 1, 1), torch.diag(torch.tensor([2.5, 1.0, 1.0, 1.0])))
            >>> Chain().resample(line, Grid((3, 1, 1), torch.eye(4)), target).flatten().tolist()
            [1.0, 0.0]
        """
        is_exact = interpolation != "linear" and not image.is_floating_point()
        dtype = torch.float64 if is_exact else at_least_float32(image).dtype
        out = torch.full((1, *target.spatial_shape), float(background), dtype=dtype)
        interpolate = {"linear": _linear, "nearest": _nearest, "label": _label}[interpolation]
        for rows in slabs(target.spatial_shape):
            points = grid_points(target, rows)
            voxels = source.world_to_voxel(self.move_points(points.view(-1, 3)))
            inside = is_inside(voxels, source.spatial_shape)
            values = torch.full((len(voxels),), float(background), dtype=out.dtype)
            if inside.any():
                values[inside] = interpolate(image, voxels[inside]).to(out.dtype)
            out[0, rows] = values.view(points.shape[:-1])
        return out


def is_inside(voxels: torch.Tensor, spatial_shape: Sequence[int]) -> torch.Tensor:
    """Whether points lie at most half a voxel beyond the outermost centers, as ITK asks.

    Args:
        voxels: (N, 3).
        spatial_shape: of the grid.

    Returns:
        (N,), bool.

    Example:
        >>> is_inside(torch.tensor([[-0.4, 0.0, 0.0], [0.0, 0.0, 1.6]]), (2, 2, 2)).tolist()
        [True, False]
    """
    size = torch.tensor(spatial_shape, dtype=voxels.dtype)
    return ((voxels >= -0.5) & (voxels < size - 0.5)).all(dim=1)


def _linear(image: torch.Tensor, voxels: torch.Tensor) -> torch.Tensor:
    image = at_least_float32(image)
    return sample(image[None], voxels.to(image.dtype).T[None, :, :, None, None])[0, 0, :, 0, 0]


def _nearest(image: torch.Tensor, voxels: torch.Tensor) -> torch.Tensor:
    """Halves round up, as in ITK."""
    size = torch.tensor(image.shape[1:])
    x, y, z = torch.minimum((voxels + 0.5).floor().long().clamp(min=0), size - 1).T
    return image[0, x, y, z]


def _label(image: torch.Tensor, voxels: torch.Tensor) -> torch.Tensor:
    """The class with the largest share of the eight voxels around; the smallest of equal ones."""
    classes = image.unique()
    best = torch.zeros(len(voxels))
    winner = torch.full((len(voxels),), classes[0].item(), dtype=image.dtype)
    for number in classes:
        share = _linear((image == number).float(), voxels)
        better = share > best
        best[better], winner[better] = share[better], number
    return winner
