"""Image grids in world space: the fixed image's own grid and the grid on which a network works.

World space: millimeters, RAS axes (right, anterior, superior), as nibabel and MONAI have it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import nibabel as nib
import numpy as np
import torch
from monai.data import MetaTensor


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
            raise ValueError(f"{image.meta.get('filename_or_obj', 'image')}: {error}") from error

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Voxel size in mm, tensor-axis order."""
        return tuple(self.affine[:3, :3].norm(dim=0).tolist())

    def coincides_with(self, other: "Grid", tolerance_mm: float = 0.1) -> bool:
        """Whether another grid has the same shape and its corners at the same places, up to a distance in mm.

        Example:
            >>> grid = Grid((4, 4, 4), torch.eye(4))
            >>> grid.coincides_with(Grid((4, 4, 4), torch.diag(torch.tensor([-1.0, 1.0, 1.0, 1.0]))))
            False
        """
        if self.spatial_shape != other.spatial_shape:
            return False
        ends = torch.tensor(list(product(*((0, size - 1) for size in self.spatial_shape))))
        return (self.voxel_to_world(ends) - other.voxel_to_world(ends)).norm(dim=1).max().item() <= tolerance_mm

    def voxel_to_world(self, points_voxels: torch.Tensor) -> torch.Tensor:
        """Points (..., 3) from voxels of this grid to RAS millimeters, float64.

        Example:
            >>> grid = Grid((4, 4, 4), torch.diag(torch.tensor([2.0, 2.0, 3.0, 1.0])))
            >>> grid.voxel_to_world(torch.ones(3)).tolist()
            [2.0, 2.0, 3.0]
        """
        affine = self.affine.to(points_voxels.device)
        return points_voxels.double() @ affine[:3, :3].T + affine[:3, 3]

    def world_to_voxel(self, points_mm: torch.Tensor) -> torch.Tensor:
        """Points (..., 3) from RAS millimeters to voxels of this grid, float64.

        Example:
            >>> grid = Grid((4, 4, 4), torch.diag(torch.tensor([2.0, 2.0, 3.0, 1.0])))
            >>> grid.world_to_voxel(torch.full((3,), 6.0)).tolist()
            [3.0, 3.0, 2.0]
        """
        inverse = torch.linalg.inv(self.affine).to(points_mm.device)
        return points_mm.double() @ inverse[:3, :3].T + inverse[:3, 3]


def network_grid(
    fixed: Grid,
    spacing: float | Sequence[float] | None = None,
    spatial_shape: int | Sequence[int] | None = None,
    divisible_by: int | Sequence[int] = 1,
) -> Grid:
    """Grid on which a network sees a pair: the fixed image's, in the order closest to RAS, resampled, padded.

    Axes are permuted and flipped, never rotated: an oblique image stays oblique. In this order, a new spacing
    keeps the center of the image and covers all of it; then every axis is cropped or padded about the center,
    by whole voxels.

    Args:
        fixed: grid of the fixed image.
        spacing: mm, one number or one per axis; None keeps the image's.
        spatial_shape: voxels, one number or one per axis, −1 keeps an axis; None keeps all.
        divisible_by: every axis is padded to a multiple of this number, or of its own entry.

    Returns:
        The grid of the network.

    Raises:
        ValueError: where an option has neither one nor three entries, or entries out of range.

    Example:
        >>> las = Grid((10, 20, 30), torch.diag(torch.tensor([-1.0, 1.0, 1.0, 1.0])))
        >>> grid = network_grid(las, spacing=2.0, divisible_by=8)
        >>> grid.spatial_shape, grid.spacing
        ((8, 16, 16), (2.0, 2.0, 2.0))
    """
    grid = _closest_to_ras(fixed)
    if spacing is not None:
        grid = _respaced(grid, _per_axis("spacing", spacing, minimum=1e-6))
    shape = grid.spatial_shape
    if spatial_shape is not None:
        requested = _per_axis("spatial_shape", spatial_shape, minimum=-1)
        if 0 in requested:
            raise ValueError(f"expected spatial_shape entries >= 1, or -1, got {spatial_shape}")
        shape = [old if new == -1 else int(new) for old, new in zip(shape, requested, strict=True)]
    multiples = _per_axis("divisible_by", divisible_by, minimum=1)
    shape = [-(-size // int(k)) * int(k) for size, k in zip(shape, multiples, strict=True)]
    return _cropped_or_padded(grid, shape)


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


def _per_axis(name: str, value: float | Sequence[float], minimum: float) -> list[float]:
    entries = [value] * 3 if np.isscalar(value) else list(value)
    if len(entries) != 3 or any(not np.isfinite(entry) or entry < minimum for entry in entries):
        raise ValueError(f"expected one or three numbers >= {minimum:g} for {name}, got {value}")
    return entries


def _closest_to_ras(grid: Grid) -> Grid:
    orientation = nib.io_orientation(grid.affine.numpy())
    permuted = nib.orientations.inv_ornt_aff(orientation, grid.spatial_shape)
    spatial_shape = np.empty(3, dtype=int)
    spatial_shape[orientation[:, 0].astype(int)] = grid.spatial_shape
    return Grid(tuple(spatial_shape), grid.affine @ torch.from_numpy(permuted))


def _respaced(grid: Grid, spacing: Sequence[float]) -> Grid:
    factors = torch.tensor(spacing, dtype=torch.float64) / torch.tensor(grid.spacing, dtype=torch.float64)
    old = torch.tensor(grid.spatial_shape, dtype=torch.float64)
    # The tolerance of a thousandth of a voxel keeps rounded spacings (0.9999 mm) from adding a voxel.
    new = torch.ceil(old / factors - 1e-3).clamp(min=1)
    affine = grid.affine.clone()
    affine[:3, :3] *= factors
    affine[:3, 3] += grid.affine[:3, :3] @ ((old - 1) / 2) - affine[:3, :3] @ ((new - 1) / 2)
    return Grid(tuple(new.int().tolist()), affine)


def _cropped_or_padded(grid: Grid, spatial_shape: Sequence[int]) -> Grid:
    first = [(old - new) // 2 for old, new in zip(grid.spatial_shape, spatial_shape, strict=True)]
    affine = grid.affine.clone()
    affine[:3, 3] = grid.voxel_to_world(torch.tensor(first))
    return Grid(tuple(spatial_shape), affine)


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
