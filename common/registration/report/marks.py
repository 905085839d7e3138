"""Labels and landmarks of a pair on the small grid of its report."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from monai.data import MetaTensor

from ...world.alignment import aligned
from ...world.grid import Grid, apply_affine
from ...world.maps import WorldMap
from ...world.resample import resample, warp_moving
from ..landmarks import Landmarks

NUM_CODES = 255  # labels that a byte tells apart, beside background


@dataclass(frozen=True)
class Marks:
    """What is drawn over the images.

    Args:
        numbers: the labels that occur, ascending, without background.
        labels: ``fixed_label``, ``moving_label`` in the initial alignment and ``warped_label``, as far as they are
            given, (X, Y, Z), uint8: 0 is background, k the k-th of ``numbers``; after 255 codes begin again at 1.
        points: ``fixed_points``, ``moving_points`` in the initial alignment and ``warped_points``, as far as they are
            given, (N, 3), voxels of the small grid.
    """

    numbers: tuple[int, ...] = ()
    labels: Mapping[str, torch.Tensor] = field(default_factory=dict)
    points: Mapping[str, torch.Tensor] = field(default_factory=dict)


NO_MARKS = Marks()


def marks(world_map: WorldMap, annotations: Mapping[str, MetaTensor | Landmarks], grid: Grid) -> Marks:
    """Bring labels and landmarks to the grid of a preview; labels by their nearest voxel, which is quick.

    Args:
        world_map: of the images.
        annotations: ``fixed_label``, ``moving_label``, ``fixed_points``, ``moving_points``, as far as they are given.
        grid: of the preview.

    Returns:
        What is drawn.
    """
    numbers, labels = label_codes(_labels(world_map, annotations, grid))
    return Marks(numbers, labels, _points(world_map, annotations, grid))


def label_codes(labels: Mapping[str, torch.Tensor]) -> tuple[tuple[int, ...], dict[str, torch.Tensor]]:
    """The labels that occur in several maps, and the maps with one byte per voxel.

    Example:
        >>> numbers, codes = label_codes({"fixed_label": torch.tensor([0, 4]), "warped_label": torch.tensor([7, 4])})
        >>> numbers, codes["warped_label"].tolist()
        ((4, 7), [2, 1])
    """
    if not labels:
        return (), {}
    numbers = torch.cat([label.unique() for label in labels.values()]).unique()
    numbers = numbers[numbers != 0]
    codes = {name: torch.searchsorted(numbers, label) % NUM_CODES + 1 for name, label in labels.items()}
    codes = {name: torch.where(labels[name] == 0, 0, code).to(torch.uint8) for name, code in codes.items()}
    return tuple(int(number) for number in numbers.tolist()), codes


def _labels(world_map: WorldMap, annotations: Mapping, grid: Grid) -> dict[str, torch.Tensor]:
    labels = {}
    if "fixed_label" in annotations:
        labels["fixed_label"] = _nearest(annotations["fixed_label"], grid)
    if "moving_label" in annotations:
        label = annotations["moving_label"]
        field_mm = resample(world_map.field.as_tensor(), world_map.grid, grid, background=None)
        warped = warp_moving(_exact(label), Grid.from_image(label), field_mm, grid, mode="nearest")[0]
        labels |= {"moving_label": _nearest(aligned(label, world_map.initial), grid), "warped_label": warped}
    return labels


def _nearest(label: MetaTensor, grid: Grid) -> torch.Tensor:
    return resample(_exact(label), Grid.from_image(label), grid, mode="nearest")[0]


def _exact(label: MetaTensor) -> torch.Tensor:
    """Labels in a type that keeps them through the sampling; integers may exceed what float32 holds."""
    volume = label.as_tensor()
    return volume if volume.is_floating_point() else volume.double()


def _points(world_map: WorldMap, annotations: Mapping, grid: Grid) -> dict[str, torch.Tensor]:
    points_mm = {}
    if "fixed_points" in annotations:
        points_mm["fixed_points"] = annotations["fixed_points"].points_mm
    if "moving_points" in annotations:
        moving = annotations["moving_points"].points_mm
        points_mm["moving_points"] = apply_affine(torch.linalg.inv(world_map.initial), moving)
        points_mm["warped_points"] = world_map.move_points_back(moving)
    return {name: grid.world_to_voxel(points) for name, points in points_mm.items()}
