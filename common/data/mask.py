"""Masks: which voxels of an image a registration may compare."""

import torch
from monai.data import MetaTensor

from ..world.grid import Grid, image_name, on_grid
from .label_map import label_on_image


def mask_on_image(mask: MetaTensor, image: MetaTensor) -> MetaTensor:
    """A mask on the grid of its image, by the nearest voxel in world space.

    Args:
        mask: (1, X', Y', Z'); voxels that are not 0 may be compared.
        image: (1, X, Y, Z).

    Returns:
        (1, X, Y, Z), uint8, 1 where the image may be compared, else 0.

    Raises:
        ValueError: for a mask of zeros alone, one of another shape that does not cover the image, one that lies
            elsewhere, and one that leaves less than two intensities of the image.

    Example:
        >>> image = MetaTensor(torch.arange(3.0).view(1, 3, 1, 1), affine=torch.eye(4))
        >>> mask_on_image(MetaTensor(torch.tensor([0.0, 0.5, 7.0]).view(1, 3, 1, 1)), image).flatten().tolist()
        [0, 1, 1]
        >>> mask_on_image(MetaTensor(torch.zeros(1, 3, 1, 1)), image)
        Traceback (most recent call last):
        ValueError: mask: expected voxels that are not 0, which may be compared, got none
    """
    name, chosen = image_name(mask, "mask"), mask.as_tensor() != 0
    if not chosen.any():
        raise ValueError(f"{name}: expected voxels that are not 0, which may be compared, got none")
    placed = label_on_image(MetaTensor(chosen.to(torch.int32), meta=mask.meta), image).as_tensor().to(torch.uint8)
    seen = image.as_tensor()[placed > 0]
    if not len(seen) or seen.min() == seen.max():
        found = f"{seen[0].item():g} in all voxels" if len(seen) else "none"
        raise ValueError(f"{name}: expected several intensities of {image_name(image)} in the mask, got {found}")
    return on_grid(placed, Grid.from_image(image), like=mask)
