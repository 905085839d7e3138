"""Where two images lie to each other before the field: by headers, centers, centers of mass, an affine map."""

import torch
from monai.data import MetaTensor

from ..words import one_of
from .grid import Grid, apply_affine, grid_points, on_grid
from .resample import shrink

INITS = ("world", "center", "moments")
COARSE_VOXELS = 40  # along the longest edge, to look at where images lie
BACKGROUND_QUANTILE = 0.05  # intensities below it weigh nothing in a center of mass


def initial_alignment(init: str, fixed: MetaTensor, moving: MetaTensor) -> torch.Tensor:
    """World matrix from the fixed image's world to the moving image's, before anything is optimized.

    Args:
        init: "world" trusts the headers, "center" lays the centers of the two grids on each other, "moments" the
            centers of mass of their intensities.
        fixed: (1, X, Y, Z).
        moving: (1, X', Y', Z').

    Returns:
        (4, 4), float64, RAS mm: the identity or a translation.

    Raises:
        ValueError: for another name.

    Example:
        >>> fixed = MetaTensor(torch.ones(1, 3, 3, 3), affine=torch.eye(4))
        >>> moving = MetaTensor(torch.ones(1, 5, 5, 5), affine=torch.eye(4))
        >>> initial_alignment("center", fixed, moving)[:3, 3].tolist()
        [1.0, 1.0, 1.0]
    """
    one_of("init", init, INITS)
    matrix = torch.eye(4, dtype=torch.float64)
    if init != "world":
        middles = [_center_of_mass(x) if init == "moments" else Grid.from_image(x).center for x in (fixed, moving)]
        matrix[:3, 3] = middles[1] - middles[0]
    return matrix


def aligned(moving: MetaTensor, matrix: torch.Tensor) -> MetaTensor:
    """The moving image in the fixed image's world: same voxels, header A⁻¹ M.

    Example:
        >>> moving, matrix = MetaTensor(torch.zeros(1, 2, 2, 2), affine=torch.eye(4)), torch.eye(4).double()
        >>> matrix[0, 3] = 2.0
        >>> aligned(moving, matrix).affine[0, 3].item()
        -2.0
    """
    grid = Grid.from_image(moving)
    return on_grid(moving.as_tensor(), Grid(grid.spatial_shape, torch.linalg.inv(matrix) @ grid.affine), like=moving)


def overlap_share(fixed: Grid, moving: Grid, matrix: torch.Tensor) -> float:
    """Share of the fixed image's box that an alignment puts inside the moving image's box.

    Example:
        >>> overlap_share(Grid((8, 8, 8), torch.eye(4)), Grid((8, 8, 8), torch.eye(4)), torch.eye(4))
        1.0
    """
    steps = [max(1, size // COARSE_VOXELS) for size in fixed.spatial_shape]
    points = grid_points(fixed, slice(None, None, steps[0]))[:, :: steps[1], :: steps[2]]
    voxels = moving.world_to_voxel(apply_affine(matrix, points))
    last = torch.tensor(moving.spatial_shape) - 0.5
    return ((voxels > -0.5) & (voxels < last)).all(dim=-1).double().mean().item()


def check_overlap(fixed: MetaTensor, moving: MetaTensor, matrix: torch.Tensor) -> None:
    """Refuse images that do not overlap.

    Raises:
        ValueError: names the distance of the two and what would help.
    """
    grids = [Grid.from_image(image) for image in (fixed, moving)]
    if overlap_share(*grids, matrix) == 0:
        distance = (apply_affine(matrix, grids[0].center) - grids[1].center).norm().item()
        raise ValueError(
            f"expected images that overlap in world space, got centers {distance:.0f} mm apart and no common voxel;"
            " --init center lays the centers of the images on each other"
        )


def _center_of_mass(image: MetaTensor) -> torch.Tensor:
    grid = Grid.from_image(image)
    volume, grid = shrink(image.as_tensor(), grid, max(grid.edges_mm) / COARSE_VOXELS)
    mass = (volume[0] - volume.quantile(BACKGROUND_QUANTILE)).clamp(min=0).double()
    if mass.sum() == 0:
        return Grid.from_image(image).center
    points = grid_points(grid, slice(None))
    return (points * mass[..., None]).sum(dim=(0, 1, 2)) / mass.sum()
