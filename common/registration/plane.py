"""Two planes, registered by the solvers of volumes: each slice is repeated to a slab, and only its plane moves."""

import torch
from monai.data import MetaTensor

from ..world.grid import Grid, apply_affine, image_name, on_grid
from ..world.maps import WorldMap

NUM_SLICES = 9  # of a slab; enough for every window, odd to have a middle
LEAST_COSINE = 0.999  # of the angle between two planes


def is_plane(image: MetaTensor) -> bool:
    """Whether an image (1, X, Y, Z) has one voxel along exactly one axis.

    Example:
        >>> is_plane(MetaTensor(torch.zeros(1, 4, 5, 1))), is_plane(MetaTensor(torch.zeros(1, 4, 5, 2)))
        (True, False)
    """
    return sorted(size > 1 for size in image.shape[1:]) == [False, True, True]


def normal_of(image: MetaTensor) -> torch.Tensor:
    """Unit vector across a plane, (3,), RAS, float64: at right angles to its two axes."""
    axes = [axis for axis, size in enumerate(image.shape[1:]) if size > 1]
    along = Grid.from_image(image).affine[:3, axes]
    normal = torch.linalg.cross(along[:, 0], along[:, 1])
    return normal / normal.norm()


def slab(image: MetaTensor) -> MetaTensor:
    """A plane (C, *plane) repeated across itself, in the middle its own slice; as thick as the smaller edge of a voxel.

    Example:
        >>> slab(MetaTensor(torch.rand(1, 4, 5, 1), affine=torch.eye(4))).shape
        torch.Size([1, 4, 5, 9])
    """
    grid = Grid.from_image(image)
    axis = image.shape[1:].index(1)
    edges = [edge for other, edge in enumerate(grid.spacing) if other != axis]
    affine = grid.affine.clone()
    affine[:3, axis] = normal_of(image) * min(edges)
    affine[:3, 3] = grid.affine[:3, 3] - affine[:3, axis] * (NUM_SLICES // 2)
    shape = [NUM_SLICES if other == axis else size for other, size in enumerate(grid.spatial_shape)]
    return on_grid(image.as_tensor().expand(-1, *shape).contiguous(), Grid(tuple(shape), affine), like=image)


def solid(world_map: WorldMap) -> WorldMap:
    """The map of volumes itself, of planes that of their slabs: what measures of volumes and pictures take."""
    if not is_plane(world_map.fixed):
        return world_map
    images = [slab(image) for image in (world_map.fixed, world_map.moving, world_map.field)]
    return WorldMap(*images, world_map.initial, world_map.affine)


def are_planes(fixed: MetaTensor, moving: MetaTensor) -> bool:
    """Whether both images are planes, which must lie parallel.

    Raises:
        ValueError: for one plane and one volume, planes at an angle, or images of one row; names both.
    """
    shapes = [tuple(image.shape[1:]) for image in (fixed, moving)]
    names = " and ".join(image_name(image, word) for image, word in ((fixed, "fixed"), (moving, "moving")))
    if min(map(min, shapes)) > 1:
        return False
    if not (is_plane(fixed) and is_plane(moving)):
        raise ValueError(f"{names}: expected two volumes or two planes, got the shapes {shapes[0]} and {shapes[1]}")
    cosine = (normal_of(fixed) @ normal_of(moving)).abs().item()
    if cosine < LEAST_COSINE:
        raise ValueError(f"{names}: expected parallel planes, got an angle with the cosine {cosine:.3f}")
    return True


def distance_of(fixed: MetaTensor, moving: MetaTensor) -> torch.Tensor:
    """Vector across two parallel planes from the first to the second, (3,), RAS mm, float64."""
    normal, middles = normal_of(fixed), [Grid.from_image(image).center for image in (fixed, moving)]
    return normal * (normal @ (middles[1] - middles[0]))


def within_plane(matrix: torch.Tensor, fixed: MetaTensor, moving: MetaTensor) -> torch.Tensor:
    """The map of a plane into a parallel one that agrees with a matrix A within the plane; across it nothing turns.

    Args:
        matrix: A, (4, 4), RAS mm.
        fixed: plane from which points come.
        moving: plane to which they go.

    Returns:
        (4, 4), float64.
    """
    normal, middle = normal_of(fixed), Grid.from_image(fixed).center
    across = torch.outer(normal, normal)
    within = torch.eye(3, dtype=torch.float64) - across
    found = torch.eye(4, dtype=torch.float64)
    found[:3, :3] = within @ matrix[:3, :3].double() @ within + across
    target = within @ apply_affine(matrix, middle) + across @ middle + distance_of(fixed, moving)
    found[:3, 3] = target - found[:3, :3] @ middle
    return found


def middle_slice(field_mm: torch.Tensor, fixed: MetaTensor, moving: MetaTensor) -> torch.Tensor:
    """Field of the slabs as the field of their planes, (3, *plane), RAS mm: within the plane, then to the other one.

    Args:
        field_mm: (3, *slab), RAS mm.
        fixed: plane.
        moving: parallel plane.
    """
    axis = fixed.shape[1:].index(1)
    field_mm = field_mm.narrow(axis + 1, NUM_SLICES // 2, 1)
    normal = normal_of(fixed).to(field_mm)
    across = torch.einsum("i,ixyz->xyz", normal, field_mm)
    return field_mm + distance_of(fixed, moving).to(field_mm).view(3, 1, 1, 1) - normal.view(3, 1, 1, 1) * across
