"""Numbers of labels, kept exactly, and label maps that lie where their images do."""

import warnings
from itertools import product

import torch
from monai.data import MetaTensor

from ..words import InputWarning
from ..world.grid import PLACE_KEY, Grid, image_name, on_grid
from ..world.resample import resample

MAX_LABEL = 2**53  # above it float64 leaves whole numbers out
ROUNDING = 1e-3  # distance from a whole number that any numbers may have
STEP_KEY = "value_step"  # of meta data: distance of neighboring numbers that the file can hold
OUTSIDE_SHARE = 0.01  # of the labeled voxels that may lie outside of the image before a warning tells so


def whole_numbers(values: torch.Tensor, name: str, step: float = 0.0) -> torch.Tensor:
    """Numbers of labels as integers; a thousandth beside one is rounding, and half a step of scaled integers.

    Args:
        values: any shape and real dtype.
        name: of the label map, for errors.
        step: slope of scaled integers, by which each whole number lies within half a step of one that the file can
            hold; from 1 on, where several share one, it allows nothing. 0 for other numbers.

    Returns:
        The same shape, int32, or int64 where a number needs it.

    Raises:
        ValueError: for other numbers; names the label map.

    Example:
        >>> whole_numbers(torch.tensor([2.99995, 0.0]), "labels.nii").tolist()
        [3, 0]
        >>> whole_numbers(torch.tensor([2.986, 0.0]), "labels.nii", step=7 / 255).tolist()
        [3, 0]
        >>> whole_numbers(torch.tensor([0.5]), "labels.nii")
        Traceback (most recent call last):
        ValueError: labels.nii: expected whole numbers from 0, got values from 0.5 to 0.5
    """
    rounded = values.round() if values.is_floating_point() else values
    rounding = ROUNDING + (step / 2 if step < 1 else 0.0)
    is_whole = bool(((values - rounded).abs() <= rounding).all()) if values.is_floating_point() else True
    low, high = values.min().item(), values.max().item()
    if not is_whole or low < -rounding or high > MAX_LABEL:
        raise ValueError(f"{name}: expected whole numbers from 0, got values from {low:g} to {high:g}")
    return rounded.to(torch.int32 if high < 2**31 - 1 else torch.int64)


def label_of_image(label: MetaTensor, image: MetaTensor) -> MetaTensor:
    """A label map that lies in the world where its image does, which is told or refused where it is not so.

    Args:
        label: (1, X', Y', Z'), whole numbers.
        image: (1, X, Y, Z).

    Returns:
        The label map; on the grid of the image where its own header says nothing of its place.

    Raises:
        ValueError: where no labeled voxel lies in the image.
    """
    own, grid = Grid.from_image(label), Grid.from_image(image)
    if own.coincides_with(grid):
        return label
    name, other = image_name(label, "label map"), image_name(image)
    if own.spatial_shape == grid.spatial_shape and not label.meta.get(PLACE_KEY, True):
        _warn(f"{name}: its header says nothing of its place; it is laid on {other}, voxel by voxel")
        return on_grid(label.as_tensor(), grid, like=label)
    outside = _share_outside(label, own, grid)
    distance = _box_distance_mm(own, grid)
    if outside == 1:
        raise ValueError(
            f"{name}: expected labels where {other} lies, got none in it by the two headers (corners up to"
            f" {distance:.0f} mm apart); perhaps it has lost its header"
        )
    if own.spatial_shape == grid.spatial_shape and distance > max(grid.spacing):
        _warn(
            f"{name}: it has the shape of {other}, but its header lays its corners up to {distance:.1f} mm from those;"
            " the header is trusted"
        )
    elif outside > OUTSIDE_SHARE:
        _warn(f"{name}: {100 * outside:.0f} % of its labeled voxels lie outside of {other}")
    return label


def label_on_image(label: MetaTensor, image: MetaTensor) -> MetaTensor:
    """The same on the grid of the image, by the nearest voxel in world space.

    Raises:
        ValueError: for a label map of another shape that does not cover the box of the image either.

    Example:
        >>> flip = torch.diag(torch.tensor([-1.0, 1.0, 1.0, 1.0]))
        >>> flip[0, 3] = 1.0
        >>> label = MetaTensor(torch.tensor([5, 7]).view(1, 2, 1, 1), affine=flip)
        >>> label_on_image(label, MetaTensor(torch.zeros(1, 2, 1, 1), affine=torch.eye(4))).flatten().tolist()
        [7, 5]
    """
    label = label_of_image(label, image)
    own, grid = Grid.from_image(label), Grid.from_image(image)
    if own.coincides_with(grid):
        return label
    if own.spatial_shape != grid.spatial_shape and _box_distance_mm(own, grid) > max(*own.spacing, *grid.spacing):
        raise ValueError(
            f"{image_name(label, 'label map')}: expected the shape of {image_name(image)}, {grid.spatial_shape}, or its"
            f" box in world space, got {own.spatial_shape}"
        )
    moved = resample(label.as_tensor(), own, grid, mode="nearest").to(label.dtype)
    return on_grid(moved, grid, like=label)


def _share_outside(label: MetaTensor, own: Grid, grid: Grid) -> float:
    """Share of the labeled voxels that lie outside of another grid; 0 without any."""
    voxels = label.as_tensor()[0].nonzero()
    if not len(voxels):
        return 0.0
    places = grid.world_to_voxel(own.voxel_to_world(voxels))
    last = torch.tensor(grid.spatial_shape) - 0.5
    return 1 - ((places >= -0.5) & (places <= last)).all(dim=1).double().mean().item()


def _box_distance_mm(first: Grid, second: Grid) -> float:
    """Largest distance from a corner of one grid's box to the nearest one of the other's."""
    boxes = []
    for grid in (first, second):
        ends = product(*((-0.5, size - 0.5) for size in grid.spatial_shape))
        boxes.append(grid.voxel_to_world(torch.tensor(list(ends))))
    return torch.cdist(*boxes).min(dim=1).values.max().item()


def _warn(sentence: str) -> None:
    warnings.warn(sentence, InputWarning, stacklevel=4)
