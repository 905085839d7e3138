"""The image term of the diffeomorphic registration by name: neural mutual information and what it is compared with."""

from collections.abc import Sequence

import torch
from torch import nn

from ...losses.similarity import dissimilarity
from ...words import one_of
from .mutual_information import NeuralMutualInformation
from .statistics_network import StatisticsNetwork

NAMES = ("mine_local", "mine_global", "lncc", "mse", "mi")
IMAGE_SD = 0.02  # of the noise of intensities in [0, 1], in VoxelMorph-diff's term ‖f − m ∘ φ‖² / σ²


class PlainSimilarity(nn.Module):
    """A dissimilarity without randomness and without weights, times a factor.

    Args:
        dissimilarity: called with (warped, fixed).
        factor: on its value.

    Example:
        >>> PlainSimilarity(nn.MSELoss(), 4.0)(torch.ones(1, 1, 2, 2, 2), torch.zeros(1, 1, 2, 2, 2)).item()
        4.0
    """

    def __init__(self, dissimilarity: nn.Module, factor: float = 1.0) -> None:
        super().__init__()
        self.dissimilarity, self.factor = dissimilarity, factor

    def forward(
        self, warped: torch.Tensor, fixed: torch.Tensor, generators: Sequence[torch.Generator] | None = None
    ) -> torch.Tensor:
        """Scalar; generators are not used."""
        return self.factor * self.dissimilarity(warped, fixed)


def image_similarity(name: str = "mine_local", num_features: int = 30, radius: int = 8) -> nn.Module:
    """Image term, called with (warped, fixed, generators), images (B, 1, X, Y, Z) in [0, 1]; smaller is better.

    Args:
        name: mine_local, mine_global; lncc, MONAI's in windows of 9³; mse, divided by 0.02²; mi, MONAI's with bins.
        num_features: L of the statistics network.
        radius: N of mine_local, voxels.

    Returns:
        The module; that of mine_* has the weights of its statistics network.

    Raises:
        ValueError: for an unknown name.

    Example:
        >>> len(list(image_similarity("mine_local").parameters())), len(list(image_similarity("mse").parameters()))
        (4, 0)
    """
    one_of("similarity", name, NAMES)
    if name.startswith("mine_"):
        return NeuralMutualInformation(StatisticsNetwork(num_features), name.removeprefix("mine_"), radius)
    return PlainSimilarity(dissimilarity(name), 1 / IMAGE_SD**2 if name == "mse" else 1.0)
