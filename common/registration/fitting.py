"""Masks, labels and landmarks of a pair, checked against their images before anything is registered."""

import warnings
from collections.abc import Mapping

import torch
from monai.data import MetaTensor

from ..data.label_map import label_of_image, label_on_image
from ..data.mask import mask_on_image
from ..words import InputWarning
from ..world.grid import Grid, image_name
from .landmark_pairs import paired
from .landmarks import Landmarks


def fitted(
    given: Mapping[str, MetaTensor | Landmarks], fixed: MetaTensor, moving: MetaTensor
) -> dict[str, MetaTensor | Landmarks]:
    """Annotations that fit a pair: labels where their images lie, masks and labels of the fixed image on its grid.

    Args:
        given: ``fixed_label``, ``moving_label``, ``fixed_points``, ``moving_points``, ``fixed_mask``, ``moving_mask``,
            each of them perhaps, read.
        fixed: (1, X, Y, Z).
        moving: (1, X', Y', Z').

    Raises:
        ValueError: for masks, labels or landmarks outside of their image, empty masks, and landmarks that do not
            correspond; names files.
    """
    content = dict(given)
    for key, image in (("fixed_mask", fixed), ("moving_mask", moving)):
        if key in content:
            content[key] = mask_on_image(content[key], image)
    if "fixed_label" in content:
        content["fixed_label"] = label_on_image(content["fixed_label"], fixed)
    if "moving_label" in content:
        content["moving_label"] = label_of_image(content["moving_label"], moving)
    for key, image in (("fixed_points", fixed), ("moving_points", moving)):
        if key in content:
            _check_points(content[key], image)
    if {"fixed_points", "moving_points"} <= content.keys():
        paired(content["fixed_points"], content["moving_points"])
    return content


def _check_points(landmarks: Landmarks, image: MetaTensor) -> None:
    grid = Grid.from_image(image)
    voxels = grid.world_to_voxel(landmarks.points_mm)
    inside = ((voxels > -1) & (voxels < torch.tensor(grid.spatial_shape))).all(dim=1)
    outside = [label for label, is_inside in zip(landmarks.labels, inside.tolist(), strict=True) if not is_inside]
    if len(outside) == len(inside):
        raise ValueError(
            f"{landmarks.source}: expected landmarks in {image_name(image)}, got all {len(outside)} of them outside;"
            " x, y, z and r, a, s are RAS mm, l, p, s are LPS mm"
        )
    if outside:
        warnings.warn(
            f"{landmarks.source}: {', '.join(outside)} of {len(inside)} landmarks lie outside of {image_name(image)}",
            InputWarning,
            stacklevel=4,
        )
