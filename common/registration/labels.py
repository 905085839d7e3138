"""Label maps through a registration: warped by votes, compared by Dice; no label is lost without a word."""

import warnings

import torch
from monai.data import MetaTensor

from ..words import InputWarning
from ..world.grid import Grid, image_name, on_grid
from ..world.label_votes import warp_labels
from ..world.maps import WorldMap

NUM_NAMED = 12  # labels that a warning lists


def warp_label(world_map: WorldMap, label: MetaTensor, is_told: bool = True) -> MetaTensor:
    """Bring a label map of the moving image's world onto the fixed image's grid, see :func:`~.warp_labels`.

    A label that no voxel of the result would hold, such as a single voxel among others, keeps the voxel in which its
    center comes to lie.

    Args:
        world_map: of the images.
        label: (1, X', Y', Z'), whole numbers from 0.
        is_told: whether a warning names such labels, and those that end outside of the fixed image.

    Returns:
        (1, X, Y, Z), dtype of ``label``; 0 outside.
    """
    grid, own = world_map.grid, Grid.from_image(label)
    numbers = label.as_tensor()
    warped = warp_labels(numbers, own, world_map.field.as_tensor(), grid)
    lost = sorted(set(_numbers(numbers)) - set(_numbers(warped)))
    for number in lost:
        place = own.voxel_to_world(_center(numbers[0] == number))[None]
        voxel = grid.world_to_voxel(world_map.move_points_back(place))[0].round().long()
        if ((voxel >= 0) & (voxel < torch.tensor(grid.spatial_shape))).all():
            warped[(0, *voxel.tolist())] = number
    if lost and is_told:
        _tell_of_lost(image_name(label, "label map"), lost, set(_numbers(warped)))
    return on_grid(warped, grid, like=label)


def label_dice(first: torch.Tensor, second: torch.Tensor) -> dict[str, float | dict[str, float]]:
    """Dice of each label that occurs in one of two maps, and their mean.

    Args:
        first: whole numbers, 0 is background.
        second: the same shape.

    Returns:
        ``dice``, NaN without any label, and ``per_label``.

    Example:
        >>> label_dice(torch.tensor([0, 1, 1, 2]), torch.tensor([0, 1, 2, 2]))["dice"]
        0.666...
    """
    maps = torch.stack([torch.as_tensor(labels).flatten().long() for labels in (first, second)])
    numbers, index = maps.unique(return_inverse=True)
    counts = [torch.bincount(x, minlength=len(numbers)) for x in (*index, index[0][index[0] == index[1]])]
    dice = 2 * counts[2] / (counts[0] + counts[1])
    scores = {str(number): score for number, score in zip(numbers.tolist(), dice.tolist(), strict=True) if number}
    return {"dice": sum(scores.values()) / len(scores) if scores else float("nan"), "per_label": scores}


def _tell_of_lost(name: str, lost: list[int], present: set[int]) -> None:
    kept = [number for number in lost if number in present]
    gone = [number for number in lost if number not in present]
    if kept:
        _warn(f"{name}: {_listed(kept)} too small for the voxels of the fixed image; one voxel is kept of each")
    if gone:
        _warn(f"{name}: {_listed(gone)} not in the result, as the field leads elsewhere than into the fixed image")


def _center(mask: torch.Tensor) -> torch.Tensor:
    """The voxel of a structure that is nearest to its mean, (3,)."""
    voxels = mask.nonzero().double()
    return voxels[(voxels - voxels.mean(dim=0)).norm(dim=1).argmin()]


def _numbers(labels: torch.Tensor) -> list[int]:
    return [int(number) for number in labels.unique().tolist() if number]


def _listed(numbers: list[int]) -> str:
    named = ", ".join(map(str, numbers[:NUM_NAMED]))
    more = f" and {len(numbers) - NUM_NAMED} more" if len(numbers) > NUM_NAMED else ""
    return f"label {named} is" if len(numbers) == 1 else f"labels {named}{more} are"


def _warn(sentence: str) -> None:
    warnings.warn(sentence, InputWarning, stacklevel=4)
