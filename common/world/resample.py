"""Displacement fields in world space: ``field_mm``, (3, X, Y, Z), RAS millimeters, on the fixed image's grid.

A field maps world point p of the fixed image to p + u(p) in the moving image, whatever grids the two have.
"""

import torch
import torch.nn.functional as F
from monai.data import MetaTensor

from ..fields.sampling import at_least_float32, sample
from .grid import Grid, slabs


def ddf_to_field_mm(ddf: torch.Tensor, network: Grid, fixed: Grid) -> torch.Tensor:
    """Bring a network's field to the fixed image's own grid: u_mm(x) = L · ddf(N⁻¹ F x).

    N and F are the affines of the two grids, L is the linear part of N; ``ddf`` is interpolated linearly.
    Outside the network's grid the displacement of its border goes on.

    Args:
        ddf: (3, X', Y', Z'), voxels of the network's grid.
        network: grid of ``ddf``.
        fixed: grid of the result.

    Returns:
        (3, X, Y, Z), RAS mm.

    Raises:
        ValueError: where ``ddf`` is not of the shape that ``network`` asks for.

    Example:
        >>> network = Grid((2, 2, 2), torch.diag(torch.tensor([3.0, 3.0, 3.0, 1.0])))
        >>> field_mm = ddf_to_field_mm(torch.ones(3, 2, 2, 2), network, Grid((4, 4, 4), torch.eye(4)))
        >>> field_mm.round(decimals=3).unique().tolist()
        [3.0]
    """
    ddf = _on_grid("ddf", ddf, network, channels=3)
    linear = network.affine[:3, :3].to(ddf)
    fixed_to_network = torch.linalg.inv(network.affine) @ fixed.affine
    field_mm = ddf.new_empty((3, *fixed.spatial_shape))
    for rows in slabs(fixed.spatial_shape):
        coordinates = _affine_coordinates(fixed_to_network, fixed, rows, like=ddf)
        field_mm[:, rows] = _apply_linear(linear, sample(ddf[None], coordinates[None])[0])
    return field_mm


def field_mm_to_ddf(field_mm: torch.Tensor, grid: Grid) -> torch.Tensor:
    """The same displacements in voxels of the grid on which they lie: ddf(x) = L⁻¹ · u_mm(x).

    Args:
        field_mm: (3, X, Y, Z), RAS mm.
        grid: grid of ``field_mm``.

    Returns:
        (3, X, Y, Z), voxels, component k along tensor axis k.

    Raises:
        ValueError: where ``field_mm`` is not of the shape that ``grid`` asks for.

    Example:
        >>> grid = Grid((2, 2, 2), torch.diag(torch.tensor([-3.0, 3.0, 3.0, 1.0])))
        >>> field_mm_to_ddf(torch.full((3, 2, 2, 2), 6.0), grid)[:, 0, 0, 0].tolist()
        [-2.0, 2.0, 2.0]
    """
    field_mm = _on_grid("field_mm", field_mm, grid, channels=3)
    return _apply_linear(torch.linalg.inv(grid.affine[:3, :3]).to(field_mm), field_mm)


def resample(
    image: torch.Tensor,
    source: Grid,
    target: Grid,
    mode: str = "bilinear",
    background: float | None = 0.0,
) -> torch.Tensor:
    """Interpolate an image once at the voxels of another grid: resampled(x) = image(S⁻¹ T x).

    Works in slabs along the first axis, so that memory beyond image and result stays at a few hundred MB.

    Args:
        image: (C, X, Y, Z), any unit.
        source: grid of ``image``, with affine S.
        target: grid of the result, with affine T.
        mode: "bilinear" (linear along every axis), or "nearest" for label maps.
        background: value outside the image; None repeats its outermost voxels.

    Returns:
        (C, *target.spatial_shape), float32, or float64 for an image of float64 or integers of 32 bits and more.

    Raises:
        ValueError: where ``image`` is not of the shape that ``source`` asks for.

    Example:
        >>> source = Grid((3, 1, 1), torch.diag(torch.tensor([2.0, 1.0, 1.0, 1.0])))
        >>> image = torch.tensor([0.0, 20.0, 40.0]).view(1, 3, 1, 1)
        >>> resample(image, source, Grid((5, 1, 1), torch.eye(4))).flatten().tolist()
        [0.0, 10.0, 20.0, 30.0, 40.0]
    """
    image = _on_grid("image", image, source)
    return _interpolate(image, torch.linalg.inv(source.affine), target, None, mode, background)


def warp_moving(
    moving: torch.Tensor,
    moving_grid: Grid,
    field_mm: torch.Tensor,
    fixed_grid: Grid,
    mode: str = "bilinear",
    background: float | None = 0.0,
) -> torch.Tensor:
    """Interpolate the moving image once, from its own grid: warped(x) = moving(M⁻¹ (F x + u_mm(x))).

    Args:
        moving: (C, X', Y', Z'), any unit.
        moving_grid: grid of ``moving``, with affine M.
        field_mm: u_mm, (3, X, Y, Z), RAS mm.
        fixed_grid: grid of ``field_mm`` and of the result, with affine F.
        mode: "bilinear" (linear along every axis), or "nearest" for label maps.
        background: value outside the moving image; None repeats its outermost voxels.

    Returns:
        (C, X, Y, Z), float32, or float64 for an image of float64 or integers of 32 bits and more.

    Raises:
        ValueError: where ``moving`` or ``field_mm`` is not of the shape that its grid asks for.

    Example:
        >>> grid = Grid((3, 1, 1), torch.eye(4))
        >>> moving, field_mm = torch.tensor([1.0, 2.0, 3.0]).view(1, 3, 1, 1), torch.zeros(3, 3, 1, 1)
        >>> field_mm[0] = 1.0
        >>> warp_moving(moving, grid, field_mm, grid).flatten().tolist()
        [2.0, 3.0, 0.0]
    """
    moving = _on_grid("moving", moving, moving_grid)
    field_mm = _on_grid("field_mm", field_mm, fixed_grid, channels=3)
    return _interpolate(moving, torch.linalg.inv(moving_grid.affine), fixed_grid, field_mm, mode, background)


def move_points(points_mm: torch.Tensor, field_mm: torch.Tensor, grid: Grid) -> torch.Tensor:
    """Carry points of the fixed image into the moving image: p + u_mm(p), u interpolated linearly.

    Outside the grid the displacement of its border goes on.

    Args:
        points_mm: (N, 3), RAS mm.
        field_mm: u_mm, (3, X, Y, Z), RAS mm.
        grid: grid of ``field_mm``.

    Returns:
        (N, 3), RAS mm, float64.

    Raises:
        ValueError: where ``points_mm`` is not (N, 3) or ``field_mm`` not of the shape that ``grid`` asks for.

    Example:
        >>> grid = Grid((2, 2, 2), torch.eye(4))
        >>> move_points(torch.zeros(1, 3), torch.full((3, 2, 2, 2), 5.0), grid).tolist()
        [[5.0, 5.0, 5.0]]
    """
    if points_mm.ndim != 2 or points_mm.shape[1] != 3:
        raise ValueError(f"expected points of shape (N, 3), got {tuple(points_mm.shape)}")
    field_mm = _on_grid("field_mm", field_mm, grid, channels=3)
    coordinates = grid.world_to_voxel(points_mm).to(field_mm.dtype)
    displacements = sample(field_mm[None], coordinates.T[None, :, :, None, None])[0, :, :, 0, 0]
    return points_mm.double() + displacements.T.double()


def _interpolate(
    image: torch.Tensor,
    world_to_source: torch.Tensor,
    target: Grid,
    field_mm: torch.Tensor | None,
    mode: str,
    background: float | None,
) -> torch.Tensor:
    padding_mode = "border" if background is None else "zeros"
    shifted = image - background if background else image
    linear, target_to_source = world_to_source[:3, :3].to(image), world_to_source @ target.affine
    out = image.new_empty((image.shape[0], *target.spatial_shape))
    for rows in slabs(target.spatial_shape):
        coordinates = _affine_coordinates(target_to_source, target, rows, like=image)
        if field_mm is not None:
            coordinates += _apply_linear(linear, field_mm[:, rows].to(image))
        out[:, rows] = sample(shifted[None], coordinates[None], mode, padding_mode)[0]
    return out.add_(background) if background else out


def _on_grid(name: str, volume: torch.Tensor, grid: Grid, channels: int | None = None) -> torch.Tensor:
    """The volume as a plain tensor of at least float32, float64 for integers, which may be ids of labels; its shape is
    checked."""
    expected = ("C" if channels is None else channels, *grid.spatial_shape)
    received = tuple(volume.shape)
    if received[1:] != expected[1:] or channels not in (None, received[0]):
        raise ValueError(f"expected {name} of shape {expected}, as its grid has it, got {received}")
    volume = volume.as_tensor() if isinstance(volume, MetaTensor) else volume
    return volume.double() if volume.dtype in (torch.int32, torch.int64) else at_least_float32(volume)


def _affine_coordinates(affine: torch.Tensor, grid: Grid, rows: slice, like: torch.Tensor) -> torch.Tensor:
    """Voxels of a slab of ``grid`` under a voxel-to-voxel affine, (3, rows, Y, Z), summed in float64."""
    affine = affine.to(like.device)
    coordinates = affine[:3, 3].view(3, 1, 1, 1)
    for axis, size in enumerate(grid.spatial_shape):
        index = torch.arange(size, dtype=torch.float64, device=like.device)
        index = index[rows] if axis == 0 else index
        component_shape = [3, 1, 1, 1]
        component_shape[axis + 1] = len(index)
        coordinates = coordinates + (affine[:3, axis, None] * index).view(component_shape)
    return coordinates.to(like.dtype)


def _apply_linear(matrix: torch.Tensor, field: torch.Tensor) -> torch.Tensor:
    """Matrix times vector in every voxel, by products and sums, as autocast computes matmul in float16."""
    return torch.stack([sum(matrix[row, axis] * field[axis] for axis in range(3)) for row in range(3)])


def shrink(image: torch.Tensor, grid: Grid, spacing_mm: float) -> tuple[torch.Tensor, Grid]:
    """Average whole voxels as long as they do not get larger than a given size: no aliasing, no interpolation.

    Args:
        image: (C, X, Y, Z).
        grid: grid of ``image``.
        spacing_mm: voxel size that no axis exceeds, unless it does already.

    Returns:
        The image, (C, X', Y', Z'), float32, and its grid; blocks at the far border may hold fewer voxels.

    Example:
        >>> image, grid = shrink(torch.arange(4.0).view(1, 4, 1, 1), Grid((4, 1, 1), torch.eye(4)), 2.0)
        >>> image.flatten().tolist(), grid.spatial_shape, grid.affine[0, 3].item()
        ([0.5, 2.5], (2, 1, 1), 0.5)
    """
    factors = [
        max(1, min(size, int(spacing_mm / own + 1e-3)))
        for size, own in zip(grid.spatial_shape, grid.spacing, strict=True)
    ]
    image = torch.as_tensor(image).float()
    if max(factors) == 1:
        return image, grid
    pooled = F.avg_pool3d(image[None], factors, ceil_mode=True)[0]
    scale = torch.diag(torch.tensor([*factors, 1.0], dtype=torch.float64))
    scale[:3, 3] = (torch.tensor(factors, dtype=torch.float64) - 1) / 2
    return pooled, Grid(tuple(pooled.shape[1:]), grid.affine @ scale)


def resample_smoothly(image: torch.Tensor, source: Grid, target: Grid, background: float | None = None) -> torch.Tensor:
    """Interpolate an image on another grid, after averaging it to about the voxel size of that grid.

    Args:
        image: (C, X, Y, Z).
        source: grid of ``image``.
        target: grid of the result.
        background: value outside the image; None repeats its border voxels.

    Returns:
        (C, *target.spatial_shape), float32.

    Example:
        >>> target = Grid((2, 1, 1), torch.diag(torch.tensor([2.0, 2.0, 2.0, 1.0])))
        >>> image = torch.arange(4.0).view(1, 4, 1, 1)
        >>> resample_smoothly(image, Grid((4, 1, 1), torch.eye(4)), target).flatten().tolist()
        [0.5, 2.0]
    """
    shrunk, grid = shrink(image, source, min(target.spacing))
    return resample(shrunk, grid, target, background=background)
