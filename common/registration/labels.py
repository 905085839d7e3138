"""Label maps through a registration: warped by votes, compared by Dice."""

import torch
from monai.data import MetaTensor

from ..world.grid import Grid, image_name, on_grid
from ..world.maps import WorldMap
from ..world.resample import warp_moving

MAX_LABEL = 100_000


def check_labels(label: MetaTensor) -> None:
    """Refuse a label map with values that are no labels.

    Raises:
        ValueError: names the file.

    Example:
        >>> check_labels(MetaTensor(torch.full((1, 2, 2, 2), 0.5)))
        Traceback (most recent call last):
        ValueError: label map: expected whole numbers from 0 to 100000, got 0.5 to 0.5
    """
    if (label != label.round()).any() or label.min() < 0 or label.max() > MAX_LABEL:
        raise ValueError(
            f"{image_name(label, 'label map')}: expected whole numbers from 0 to {MAX_LABEL},"
            f" got {label.min().item():g} to {label.max().item():g}"
        )


def warp_label(world_map: WorldMap, label: MetaTensor) -> MetaTensor:
    """Bring a label map of the moving image's world onto the fixed image's grid.

    Each class is warped linearly, one after the other, and the largest share wins: smoother outlines than those of the
    nearest voxel, in the memory of three volumes.

    Args:
        world_map: of the images.
        label: (1, X', Y', Z'), whole numbers from 0.

    Returns:
        (1, X, Y, Z); 0 outside.
    """
    grid, own = world_map.grid, Grid.from_image(label)
    volume, field_mm = label.as_tensor(), world_map.field.as_tensor()
    best, winner = None, torch.zeros(1, *grid.spatial_shape)
    for number in [0, *(n for n in volume.unique().tolist() if n != 0)]:
        share = warp_moving((volume == number).float(), own, field_mm, grid)
        if best is None:
            best = share
            continue
        better = share > best
        winner[better] = number
        best = torch.where(better, share, best)
    return on_grid(winner, grid, like=label)


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
    first, second = first.flatten().long(), second.flatten().long()
    size = int(max(first.max(), second.max())) + 1
    counts = [torch.bincount(x, minlength=size) for x in (first, second, first[first == second])]
    total = counts[0] + counts[1]
    present = [number for number in range(1, size) if total[number] > 0]
    scores = {str(number): (2 * counts[2][number] / total[number]).item() for number in present}
    return {"dice": sum(scores.values()) / len(scores) if scores else float("nan"), "per_label": scores}
