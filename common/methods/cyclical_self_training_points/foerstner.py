"""Förstner keypoints of a CT: points where the image changes in every direction."""

import math
from collections.abc import Sequence

import torch
from monai.data import MetaTensor
from torch.nn import functional

from ...world.grid import Grid, image_name
from ...world.resample import resample

DERIVATIVE = (1 / 12, -8 / 12, 0.0, 8 / 12, -1 / 12)
SIGMA = 1.4
THRESHOLD = 1e-8
HU_RANGE = (-1000.0, 1500.0)


def distinctiveness(volume: torch.Tensor) -> torch.Tensor:
    """1 / trace(S⁻¹) of the structure tensor S = G_σ ∗ (∇I ∇Iᵀ), large where all three eigenvalues are.

    trace(S⁻¹) is the sum of the principal minors over the determinant. ∇ is the five-tap derivative (1, −8, 0, 8,
    −1)/12, σ = 1.4 voxels.

    Args:
        volume: I, (X, Y, Z).

    Returns:
        (X, Y, Z), ≥ 0.

    Example:
        >>> distinctiveness(torch.arange(8.0).view(8, 1, 1).expand(8, 8, 8)).max().item() < 1e-6
        True

    Reference: Förstner & Gülch, 1987; constants as in the code of Hansen & Heinrich, IPMI 2021.
    """
    gradient = [_along(volume, torch.tensor(DERIVATIVE), axis) for axis in range(3)]
    half = math.ceil(1.5 * SIGMA) * 2
    kernel = torch.exp(-(torch.arange(-half, half + 1.0) ** 2) / (2 * SIGMA**2))
    kernel = kernel / kernel.sum()
    tensor = {}
    for row in range(3):
        for column in range(row, 3):
            entry = gradient[row] * gradient[column]
            for axis in range(3):
                entry = _along(entry, kernel, axis)
            tensor[row, column] = entry.double()
    xx, yy, zz = tensor[0, 0], tensor[1, 1], tensor[2, 2]
    xy, xz, yz = tensor[0, 1], tensor[0, 2], tensor[1, 2]
    minors = (yy * zz - yz**2) + (xx * zz - xz**2) + (xx * yy - xy**2)
    determinant = xx * (yy * zz - yz**2) - xy * (xy * zz - yz * xz) + xz * (xy * yz - yy * xz)
    return (determinant / minors.clamp(min=1e-30)).clamp(min=0).float()


def foerstner_keypoints(
    image: MetaTensor,
    mask: torch.Tensor,
    spacing_mm: float | Sequence[float] = 1.5,
    window: int = 5,
    max_points: int = 4096,
) -> torch.Tensor:
    """Local maxima of the distinctiveness inside a mask, strongest first.

    Args:
        image: CT, (1, X, Y, Z), HU; scaled to (clamp(I, −1000, 1500) + 1000) / 2500.
        mask: (X, Y, Z), bool; eroded by one voxel.
        spacing_mm: of the grid on which points are sought, one number or one per axis.
        window: edge of the cube, in voxels of that grid, in which a point is the largest; odd.
        max_points: of the strongest.

    Returns:
        (N, 3), RAS mm, float64.

    Raises:
        ValueError: for an empty mask or one of another shape; names the file.
    """
    name = image_name(image)
    grid = Grid.from_image(image)
    if mask.shape != grid.spatial_shape or not mask.any():
        raise ValueError(
            f"{name}: expected a mask of shape {grid.spatial_shape} that is not empty, got "
            f"{tuple(mask.shape)} with {int(mask.sum())} voxels"
        )
    box = _box_grid(mask, grid, torch.as_tensor(spacing_mm, dtype=torch.float64))
    low, high = HU_RANGE
    scaled = (image.as_tensor().float().clamp(low, high) - low) / (high - low)
    volume = resample(scaled, grid, box, background=None)[0]
    inside = resample(mask.float()[None], grid, box, "nearest", 0.0)[0] > 0.5
    inside = functional.avg_pool3d(inside.float()[None, None], 3, stride=1, padding=1)[0, 0] > 0.999
    strength = torch.where(inside, distinctiveness(volume), 0.0)
    largest = functional.max_pool3d(strength[None, None], window, stride=1, padding=window // 2)[0, 0]
    points = ((strength == largest) & (strength > THRESHOLD)).nonzero()
    order = strength[tuple(points.T)].argsort(descending=True, stable=True)[:max_points]
    return box.voxel_to_world(points[order])


def _box_grid(mask: torch.Tensor, grid: Grid, spacing_mm: torch.Tensor) -> Grid:
    """Grid of this spacing, axes along those of ``grid``, over the box of a mask and a margin."""
    voxels = mask.nonzero()
    spacing = torch.tensor(grid.spacing, dtype=torch.float64)
    margin = 8 * spacing_mm / spacing
    low, high = voxels.amin(0) - margin, voxels.amax(0) + margin
    affine = grid.affine.clone()
    affine[:3, :3] = grid.affine[:3, :3] * (spacing_mm / spacing)
    affine[:3, 3] = grid.voxel_to_world(low)
    shape = ((high - low) * spacing / spacing_mm).ceil().long() + 1
    return Grid(tuple(shape.tolist()), affine)


def _along(volume: torch.Tensor, kernel: torch.Tensor, axis: int) -> torch.Tensor:
    """Correlation with a kernel along one axis, border voxels repeated."""
    half = len(kernel) // 2
    shape = [1, 1, 1]
    shape[axis] = len(kernel)
    padding = [0, 0, 0, 0, 0, 0]
    padding[2 * (2 - axis)] = padding[2 * (2 - axis) + 1] = half
    padded = functional.pad(volume[None, None], padding, mode="replicate")
    return functional.conv3d(padded, kernel.to(volume).view(1, 1, *shape))[0, 0]
