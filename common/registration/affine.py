"""The affine step of a registration."""

from collections.abc import Callable

import torch
from monai.data import MetaTensor

from ..solvers.affine import NUM_PARAMETERS, Alignment, best_alignment
from ..words import one_of
from ..world.grid import Grid
from .guidance import NO_GUIDANCE, Guidance


def align(
    fixed: MetaTensor,
    moving: MetaTensor,
    initial: torch.Tensor,
    kind: str,
    device: str = "cpu",
    on_iteration: Callable[[int, int, float], None] | None = None,
    guidance: Guidance = NO_GUIDANCE,
) -> Alignment:
    """Improve an alignment by :func:`~common.solvers.affine.best_alignment`; names the files in errors.

    Args:
        fixed: (1, X, Y, Z).
        moving: (1, X', Y', Z').
        initial: (4, 4), RAS mm.
        kind: "rigid", "affine", or "" to leave it as it is.
        device: where to compute.
        on_iteration: see there.
        guidance: masks of the two images.

    Returns:
        The map that was taken, and why.

    Raises:
        ValueError: for another kind.
    """
    if not kind:
        return Alignment(initial, "initial", {})
    one_of("affine", kind, (True, *NUM_PARAMETERS))
    images = [image.as_tensor().to(device) for image in (fixed, moving)]
    grids = [Grid.from_image(image) for image in (fixed, moving)]
    masks = [
        None if mask is None else mask.as_tensor().to(device) for mask in (guidance.fixed_mask, guidance.moving_mask)
    ]
    return best_alignment(images[0], grids[0], images[1], grids[1], initial, kind, on_iteration, masks)
