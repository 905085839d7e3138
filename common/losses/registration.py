"""Loss of a registration: dissimilarity of the warped and the fixed image plus a weighted penalty on the field."""

from collections.abc import Callable

import torch
from monai.losses import BendingEnergyLoss
from torch import nn

from ..fields.ddf import warp
from ..words import one_of


def diffusion(ddf: torch.Tensor) -> torch.Tensor:
    """Smoothness penalty, (1/D) Σ_k mean (∂_k u)², with forward differences in voxels per voxel.

    The normalization is that of VoxelMorph's "Grad l2": the mean over batch, components and voxels, then over axes.
    MONAI's DiffusionLoss sums over the axes instead and takes central differences, which do not see a field that
    alternates from voxel to voxel.

    Args:
        ddf: u, (B, D, *spatial), voxels.

    Returns:
        A scalar without unit.

    Example:
        >>> ddf = torch.zeros(1, 2, 4, 4)
        >>> ddf[0, 0] = torch.arange(4.0)[:, None]  # one of 4 derivatives is 1
        >>> diffusion(ddf).item()
        0.25
    """
    slopes = [ddf.diff(dim=axis).square().mean() for axis in range(2, ddf.ndim)]
    return torch.stack(slopes).mean()


class RegistrationLoss(nn.Module):
    """dissimilarity(moving ∘ (id + u), fixed) + weight · diffusion(u), for a trainer that has ddf and image.

    Args:
        dissimilarity: called with (warped, fixed), (B, 1, *spatial) each.
        weight: of :func:`diffusion`, ≥ 0. With z-scored images the mean squared error is some 25 times that of
            images in [0, 1], for which VoxelMorph takes 0.01 to 0.02.

    Raises:
        ValueError: for a negative weight.

    Example:
        >>> image = torch.zeros(1, 2, 8, 8, 8)
        >>> image[:, 1] = 3.0
        >>> RegistrationLoss(nn.MSELoss())(torch.zeros(1, 3, 8, 8, 8), image).item()
        9.0
    """

    def __init__(self, dissimilarity: nn.Module, weight: float = 0.01):
        super().__init__()
        if weight < 0:
            raise ValueError(f"expected a weight ≥ 0, got {weight}")
        self.dissimilarity, self.weight = dissimilarity, weight

    def forward(self, ddf: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
        """Loss of fields (B, D, *spatial) in voxels for pairs (B, 2, *spatial), fixed first: a scalar."""
        fixed, moving = image[:, :1].float(), image[:, 1:].float()
        return self.dissimilarity(warp(moving, ddf), fixed) + self.weight * diffusion(ddf.float())


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
    one_of("regularization", name, NAMES)
    return diffusion if name == "diffusion" else BendingEnergyLoss()
