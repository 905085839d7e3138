"""Where two images lie to each other before the field: by headers, centers, centers of mass, an affine map."""

import warnings
from itertools import product

import torch
from monai.data import MetaTensor

from ..words import InputWarning, one_of
from .grid import PLACE_KEY, Grid, apply_affine, grid_points, image_name, on_grid
from .resample import shrink

INITS = ("world", "center", "moments")
COARSE_VOXELS = 40  # along the longest edge, to look at where images lie
BACKGROUND_QUANTILE = 0.05  # intensities below it weigh nothing in a center of mass


def initial_alignment(init: str, fixed: MetaTensor, moving: MetaTensor) -> torch.Tensor:
    """World matrix from the fixed image's world to the moving image's, before anything is optimized.

    Args:
        init: "world" trusts the headers, where both say where their images lie; "center" lays the centers of the two
            grids on each other, "moments" the centers of mass of their intensities.
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
    placed = [image.meta.get(PLACE_KEY, True) for image in (fixed, moving)]
    if init == "world" and placed[0] != placed[1]:
        name = image_name(fixed if placed[1] else moving)
        sentence = f"{name}: its header says nothing of its place; the centers of the images begin on each other"
        warnings.warn(sentence, InputWarning, stacklevel=2)
        init = "center"
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


def boxes_meet(fixed: Grid, moving: Grid, matrix: torch.Tensor) -> bool:
    """Whether the boxes of two images have a point in common: no plane lies between them.

    Such a plane would be parallel to a face of one box or to an edge of each.

    Example:
        >>> slab = Grid((8, 8, 1), torch.diag(torch.tensor([1.0, 1.0, 0.5, 1.0])))
        >>> boxes_meet(Grid((200, 200, 200), torch.eye(4)), slab, torch.eye(4).double())
        True

    Reference:
        Gottschalk et al., OBBTree, SIGGRAPH 1996 (the theorem of the separating axis).
    """
    edges = [(matrix @ fixed.affine)[:3, :3], moving.affine[:3, :3]]
    corners = []
    for grid, map_to_moving in ((fixed, matrix), (moving, torch.eye(4))):
        ends = torch.tensor(list(product(*((-0.5, size - 0.5) for size in grid.spatial_shape))))
        corners.append(apply_affine(map_to_moving, grid.voxel_to_world(ends)))
    pairs = [(edge[:, a], edge[:, b]) for edge in edges for a, b in ((0, 1), (0, 2), (1, 2))]
    pairs += [(first, second) for first in edges[0].T for second in edges[1].T]
    normals = torch.stack([torch.linalg.cross(first, second) for first, second in pairs])
    places = [normals @ ends.T for ends in corners]
    starts, stops = ([part.amin(dim=1) for part in places], [part.amax(dim=1) for part in places])
    return not ((stops[0] < starts[1]) | (stops[1] < starts[0])).any().item()


def check_overlap(fixed: MetaTensor, moving: MetaTensor, matrix: torch.Tensor) -> None:
    """Refuse images whose boxes have no point in common, however thin one of them is.

    Raises:
        ValueError: names the distance of the two and what would help.
    """
    grids = [Grid.from_image(image) for image in (fixed, moving)]
    if not boxes_meet(*grids, matrix):
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
