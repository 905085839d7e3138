"""A registration network whose field a few steps of Adam on the pair itself make better."""

from collections.abc import Callable
from typing import Any

import torch

from ..solvers.instance_search import InstanceSearch
from .repeated import RepeatedInferer


class InstanceSearchInferer(RepeatedInferer):
    """The network's field, then :class:`~common.solvers.instance_search.InstanceSearch` from there.

    Args:
        num_passes: network calls per pair, see :class:`~.repeated.RepeatedInferer`.
        num_search_steps: of Adam; 0 leaves the search out. This and all that follows are the arguments of the search.
        search_similarity: mind, or a name of :func:`~common.losses.similarity.dissimilarity`.
        search_weight: of the smoothness of the whole field in voxels.
        search_rate: voxels by which coefficients move in each of the first steps.
        control_spacing: distance of these coefficients, voxels.
        shrink: the search runs on a grid with so many times fewer voxels per axis.
        coarse_integration: see :class:`~common.solvers.instance_search.InstanceSearch`.

    Raises:
        ValueError: for a negative number of steps or weight.
    """

    def __init__(
        self,
        num_passes: int = 1,
        num_search_steps: int = 10,
        search_similarity: str = "mind",
        search_weight: float = 0.1,
        search_rate: float = 0.2,
        control_spacing: int = 2,
        shrink: int = 2,
        coarse_integration: bool = False,
    ) -> None:
        super().__init__(num_passes)
        self.search = InstanceSearch(
            num_search_steps,
            search_similarity,
            search_weight,
            search_rate,
            control_spacing,
            shrink,
            coarse_integration,
        )

    def __call__(self, inputs: torch.Tensor, network: Callable[..., torch.Tensor], *args: Any, **kwargs: Any):
        """Field of pairs (B, 2, *spatial), fixed first: (B, 3, *spatial), voxels."""
        return self.search(super().__call__(inputs, network, *args, **kwargs), inputs)
