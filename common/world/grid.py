"""Image grids in world space, their points, and volumes on them.

World space: millimeters, RAS axes (right, anterior, superior), as nibabel and MONAI have it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import torch
from monai.data import MetaTensor

SLAB_VOXELS = 2**21  # voxels worked on at once: 50 MB for one float64 coordinate triple per voxel


def apply_affine(matrix: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
    """Points (..., 3) through a (4, 4) matrix, float64.

    Example:
        >>> apply_affine(torch.diag(torch.tensor([2.0, 2.0, 2.0, 1.0])), torch.ones(3)).tolist()
        [2.0, 2.0, 2.0]
    """
    matrix = matrix.to(points.device, torch.float64)
    return points.double() @ matrix[:3, :3].T + matrix[:3, 3]


@dataclass(frozen=True, eq=False)
class Grid:
    """Regular grid of voxels in world space.

    Args:
        spatial_shape: number of voxels along the three tensor axes.
        affine: (4, 4), maps voxel coordinates to RAS millimeters; kept as float64 on the CPU.

    Raises:
        ValueError: where the shape has not three positive entries or the affine is not a finite, invertible
            4×4 matrix.

    Example:
        >>> Grid((4, 4, 4), torch.diag(torch.tensor([2.0, 2.0, 3.0, 1.0]))).spacing
        (2.0, 2.0, 3.0)
    """

    spatial_shape: tuple[int, int, int]
    affine: torch.Tensor

    def __post_init__(self):
        spatial_shape = tuple(int(size) for size in self.spatial_shape)
        if len(spatial_shape) != 3 or min(spatial_shape) < 1:
            raise ValueError(f"expected three axes of at least one voxel, got shape {spatial_shape}")
        object.__setattr__(self, "spatial_shape", spatial_shape)
        object.__setattr__(self, "affine", _checked_affine(self.affine))

    @classmethod
    def from_image(cls, image: MetaTensor) -> "Grid":
        """Grid of an image (C, X, Y, Z) that carries its affine.

        Raises:
            ValueError: where the image is no such MetaTensor or its affine is not invertible; names the file.

        Example:
            >>> Grid.from_image(MetaTensor(torch.zeros(1, 5, 6, 7), affine=torch.eye(4))).spatial_shape
            (5, 6, 7)
        """
        if not isinstance(image, MetaTensor) or image.ndim != 4:
            raise ValueError(
                "expected a MetaTensor of shape (C, X, Y, Z) with an affine,"
                f" got a {type(image).__name__} of shape {tuple(image.shape)}"
            )
        try:
            return cls(tuple(image.shape[1:]), image.affine)
        except ValueError as error:
            raise ValueError(f"{image_name(image)}: {error}") from error

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Voxel size in mm, tensor-axis order."""
        return tuple(self.affine[:3, :3].norm(dim=0).tolist())

    @property
    def edges_mm(self) -> list[float]:
        """Edges of the box of all voxels in mm, tensor-axis order."""
        return [size * edge for size, edge in zip(self.spatial_shape, self.spacing, strict=True)]

    @property
    def center(self) -> torch.Tensor:
        """World point in the middle, (3,), RAS mm, float64."""
        return self.voxel_to_world((torch.tensor(self.spatial_shape) - 1) / 2)

    @property
    def corners(self) -> torch.Tensor:
        """World points of the eight outermost voxel centers, (8, 3), RAS mm, float64."""
        return self.voxel_to_world(torch.tensor(list(product(*((0, size - 1) for size in self.spatial_shape)))))

    def coincides_with(self, other: "Grid", tolerance_mm: float = 0.1) -> bool:
        """Whether another grid has the same shape and its corners at the same places, up to a distance in mm.

        Example:
            >>> grid = Grid((4, 4, 4), torch.eye(4))
            >>> grid.coincides_with(Grid((4, 4, 4), torch.diag(torch.tensor([-1.0, 1.0, 1.0, 1.0]))))
            False
        """
        if self.spatial_shape != other.spatial_shape:
            return False
        return (self.corners - other.corners).norm(dim=1).max().item() <= tolerance_mm

    def voxel_to_world(self, points_voxels: torch.Tensor) -> torch.Tensor:
        """Points (..., 3) from voxels of this grid to RAS millimeters, float64.

        Example:
            >>> grid = Grid((4, 4, 4), torch.diag(torch.tensor([2.0, 2.0, 3.0, 1.0])))
            >>> grid.voxel_to_world(torch.ones(3)).tolist()
            [2.0, 2.0, 3.0]
        """
        return apply_affine(self.affine, points_voxels)

    def world_to_voxel(self, points_mm: torch.Tensor) -> torch.Tensor:
        """Points (..., 3) from RAS millimeters to voxels of this grid, float64.

        Example:
            >>> grid = Grid((4, 4, 4), torch.diag(torch.tensor([2.0, 2.0, 3.0, 1.0])))
            >>> grid.world_to_voxel(torch.full((3,), 6.0)).tolist()
            [3.0, 3.0, 2.0]
        """
        return apply_affine(torch.linalg.inv(self.affine), points_mm)

    def with_shape(self, spatial_shape: Sequence[int]) -> "Grid":
        """Grid of another shape with the same outermost voxel centers, as :func:`~common.fields.ddf.resize` has it.

        Example:
            >>> Grid((9, 5, 1), torch.eye(4)).with_shape((3, 5, 1)).spacing
            (4.0, 1.0, 1.0)
        """
        factors = [
            (old - 1) / (new - 1) if old > 1 and new > 1 else 1.0
            for old, new in zip(self.spatial_shape, spatial_shape, strict=True)
        ]
        scale = torch.diag(torch.tensor([*factors, 1.0], dtype=torch.float64))
        return Grid(tuple(spatial_shape), self.affine @ scale)


def slabs(spatial_shape: Sequence[int], voxels: int = 0) -> list[slice]:
    """Slices of the first axis that hold about a number of voxels each; 0 takes ``SLAB_VOXELS``.

    Example:
        >>> slabs((5, 10, 10), voxels=200)
        [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    """
    size = max(1, (voxels or SLAB_VOXELS) // (spatial_shape[1] * spatial_shape[2]))
    return [slice(start, min(start + size, spatial_shape[0])) for start in range(0, spatial_shape[0], size)]


def grid_points(grid: Grid, rows: slice, device: torch.device | str = "cpu") -> torch.Tensor:
    """World points of the voxels in a slab along the first axis, (rows, Y, Z, 3), RAS mm, float64.

    Example:
        >>> grid_points(Grid((4, 1, 1), torch.eye(4)), slice(1, 3))[:, 0, 0, 0].tolist()
        [1.0, 2.0]
    """
    axes = [torch.arange(size, device=device) for size in grid.spatial_shape]
    axes[0] = axes[0][rows]
    return grid.voxel_to_world(torch.stack(torch.meshgrid(axes, indexing="ij"), dim=-1))


def _checked_affine(affine: torch.Tensor) -> torch.Tensor:
    affine = torch.as_tensor(affine).detach().to("cpu", torch.float64, copy=True)
    if affine.shape != (4, 4) or not affine.isfinite().all():
        raise ValueError(f"expected a finite 4×4 voxel-to-world affine, got {affine.tolist()}")
    lengths = affine[:3, :3].norm(dim=0)
    if lengths.max() == 0:
        raise ValueError("expected an invertible voxel-to-world affine, got a zero affine")
    if lengths.min() == 0 or torch.linalg.det(affine[:3, :3] / lengths).abs() < 1e-6:
        raise ValueError(f"expected an invertible voxel-to-world affine, got {affine.tolist()}")
    if affine[3].tolist() != [0.0, 0.0, 0.0, 1.0]:
        raise ValueError(f"expected a voxel-to-world affine with last row 0 0 0 1, got {affine[3].tolist()}")
    return affine


def image_name(image: torch.Tensor, otherwise: str = "image") -> str:
    """File name of an image, for messages; another word where it carries none.

    Example:
        >>> image_name(torch.zeros(1, 2, 2, 2), "fixed")
        'fixed'
    """
    return str(getattr(image, "meta", {}).get("filename_or_obj", otherwise))


PLACE_KEY = "has_place"  # of the meta data: whether the header of a file told where the image lies
OLD_GRID_KEYS = ("affine", "original_affine", "spatial_shape")


def on_grid(volume: torch.Tensor, grid: Grid, like: MetaTensor) -> MetaTensor:
    """A volume (C, X, Y, Z) as a MetaTensor on ``grid``, with the file name and other facts of ``like``.

    Facts about the old grid go, or MONAI's SaveImaged would resample the volume back to it.

    Example:
        >>> like = MetaTensor(torch.zeros(1, 2, 2, 2), meta={"filename_or_obj": "t1.nii.gz"})
        >>> on_grid(torch.zeros(1, 3, 3, 3), Grid((3, 3, 3), torch.eye(4)), like).meta["filename_or_obj"]
        't1.nii.gz'
    """
    meta = {key: value for key, value in like.meta.items() if key not in OLD_GRID_KEYS}
    return MetaTensor(volume, affine=grid.affine.clone(), meta=meta)
