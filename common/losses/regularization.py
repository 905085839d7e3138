"""Penalty on a displacement field by name."""

from collections.abc import Callable

import torch
from monai.losses import BendingEnergyLoss

from .registration import diffusion

NAMES = ("diffusion", "bending")


def regularization(name: str) -> Callable[[torch.Tensor], torch.Tensor]:
    """Regularization of a registration; called with ddf (B, D, *spatial) in voxels, smaller is smoother.

    Args:
        name: diffusion, mean squared first derivatives; bending, MONAI's mean squared second derivatives, which leaves
            affine fields free.

    Raises:
        ValueError: for an unknown name.

    Example:
        >>> regularization("bending")(torch.ones(1, 3, 5, 5, 5)).item()
        0.0
    """
    if name == "diffusion":
        return diffusion
    if name == "bending":
        return BendingEnergyLoss()
    raise ValueError(f"regularization: expected one of {', '.join(NAMES)}, got {name!r}")
