"""A pair before and after registration on one small grid of cubic voxels, for figures and pictures."""

from dataclasses import dataclass

import torch
from monai.data import MetaTensor

from ...solvers.joint_histogram import equalize, normalized_mutual_information
from ...world.alignment import aligned
from ...world.grid import Grid, grid_points, slabs
from ...world.maps import WorldMap, affine_after_field
from ...world.network_grid import network_grid
from ...world.resample import field_mm_to_ddf, resample, resample_smoothly, warp_moving
from ..guidance import NO_GUIDANCE, Guidance

EDGE_VOXELS = 192  # of the longest axis


@dataclass(frozen=True)
class Preview:
    """Volumes (X, Y, Z) on ``grid``, its axes closest to RAS.

    Args:
        grid: cubic voxels; covers the fixed image.
        fixed: the fixed image.
        before: the moving image in its initial alignment.
        warped: the moving image after world_map.
        inside_before: 1 where ``before`` comes from inside the moving image and both may be compared, else 0.
        inside: the same of ``warped``.
        determinant: Jacobian determinant of φ, its nearest native voxel.
        ddf: (3, X, Y, Z), voxels of ``grid``; without the affine part.
    """

    grid: Grid
    fixed: torch.Tensor
    before: torch.Tensor
    warped: torch.Tensor
    inside_before: torch.Tensor
    inside: torch.Tensor
    determinant: torch.Tensor
    ddf: torch.Tensor


def preview(
    world_map: WorldMap,
    warped: MetaTensor,
    determinant: torch.Tensor,
    edge_voxels: int = EDGE_VOXELS,
    guidance: Guidance = NO_GUIDANCE,
) -> Preview:
    """Look at a registration on a small grid.

    Args:
        world_map: of images of any size.
        warped: (1, X, Y, Z), the warped moving image on the fixed image's grid.
        determinant: (1, X, Y, Z), on the same grid.
        edge_voxels: number of voxels of the longest axis, unless the fixed image's own voxels are larger.
        guidance: masks; outside of them the images are not compared.

    Returns:
        The volumes.
    """
    native = world_map.grid
    grid = network_grid(native, spacing=max(min(native.spacing), max(native.edges_mm) / edge_voxels))
    moving = world_map.moving
    before = aligned(moving, world_map.initial)
    background = min(moving.min().item(), 0.0)
    field_mm = resample(world_map.field.as_tensor(), native, grid, background=None)
    return Preview(
        grid,
        resample_smoothly(world_map.fixed.as_tensor(), native, grid)[0],
        resample_smoothly(before.as_tensor(), Grid.from_image(before), grid, background)[0],
        resample_smoothly(warped.as_tensor(), native, grid)[0],
        _inside(before, grid, None) * _allowed(guidance.aligned(world_map.initial), native, grid, None),
        _inside(moving, grid, field_mm) * _allowed(guidance, native, grid, field_mm),
        resample(determinant, native, grid, mode="nearest", background=None)[0],
        field_mm_to_ddf(affine_after_field(torch.linalg.inv(world_map.affine), field_mm, grid), grid),
    )


def similarities(view: Preview, is_one_contrast: bool = True) -> dict[str, dict[str, float]]:
    """Likeness of fixed and moving image before and after, where the moving image reaches.

    Args:
        view: from :func:`preview`.
        is_one_contrast: whether a correlation means something.

    Returns:
        ``before`` and ``after`` with ``normalized_mutual_information`` in [1, 2] and, for one contrast, ``correlation``
        in [−1, 1]; NaN where the images do not overlap or one of them is constant there.
    """
    found = {
        name: _similarity(view.fixed[inside], image[inside])
        for name, image, inside in (
            ("before", view.before, view.inside_before > 0.5),
            ("after", view.warped, view.inside > 0.5),
        )
    }
    names = ("correlation", "normalized_mutual_information")[0 if is_one_contrast else 1 :]
    return {when: {name: values[name] for name in names} for when, values in found.items()}


def _similarity(fixed: torch.Tensor, moving: torch.Tensor) -> dict[str, float]:
    if fixed.numel() < 2 or fixed.min() == fixed.max() or moving.min() == moving.max():
        return {"correlation": float("nan"), "normalized_mutual_information": float("nan")}
    spread = [equalize(image) for image in (fixed, moving)]
    information = normalized_mutual_information(spread[0], spread[1][None], torch.ones_like(spread[1])[None])
    correlation = torch.corrcoef(torch.stack([fixed, moving]).double())[0, 1]
    return {"correlation": correlation.item(), "normalized_mutual_information": information.item()}


def _inside(moving: MetaTensor, grid: Grid, field_mm: torch.Tensor | None) -> torch.Tensor:
    """Whether voxels of ``grid``, moved by a field, lie in the box of an image: (X, Y, Z) of 0 and 1."""
    own = Grid.from_image(moving)
    inside = torch.empty(grid.spatial_shape)
    last = torch.tensor(own.spatial_shape) - 0.5
    for rows in slabs(grid.spatial_shape):
        points = grid_points(grid, rows)
        points = points if field_mm is None else points + field_mm[:, rows].movedim(0, -1)
        voxels = own.world_to_voxel(points)
        inside[rows] = ((voxels > -0.5) & (voxels < last)).all(dim=-1).float()
    return inside


def _allowed(guidance: Guidance, native: Grid, grid: Grid, field_mm: torch.Tensor | None) -> torch.Tensor:
    """Whether both masks let voxels of ``grid``, moved by a field, be compared: (X, Y, Z) of 0 and 1, or 1."""
    allowed = torch.ones(1)
    if guidance.fixed_mask is not None:
        allowed = allowed * resample(guidance.fixed_mask.as_tensor(), native, grid, "nearest", None)[0]
    if guidance.moving_mask is not None:
        field = torch.zeros(3, *grid.spatial_shape) if field_mm is None else field_mm
        mask, own = guidance.moving_mask.as_tensor(), Grid.from_image(guidance.moving_mask)
        allowed = allowed * warp_moving(mask, own, field, grid, "nearest", None)[0]
    return allowed
