"""A registration network whose field a few steps of Adam on the pair itself make better."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from ..fields.warp import warp
from ..losses.registration import diffusion
from ..losses.similarity import dissimilarity
from ..solvers.instance import optimize_field
from ..transforms.mind import mind_ssc
from .repeated import RepeatedInferer


class InstanceSearchInferer(RepeatedInferer):
    """The network's field, then id + u = (id + u_network) ∘ exp(v) with v from some steps of Adam on the pair.

    min over v of D(m ∘ (id + u), f) + weight · diffusion(u). D compares MIND-SSC descriptors, which hold for images of
    any two contrasts, or is a dissimilarity by name. The result folds only where the network's field does.

    Args:
        num_passes: network calls per pair, see :class:`~.repeated.RepeatedInferer`.
        num_search_steps: of Adam; 0 leaves the search out.
        search_similarity: mind, or a name of :func:`~common.losses.similarity.dissimilarity`.
        search_weight: of the smoothness of the whole field in voxels.
        search_rate: voxels by which coefficients of v move in each of the first steps.
        control_spacing: distance of these coefficients, voxels.

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
        control_spacing: int = 4,
    ) -> None:
        super().__init__(num_passes)
        if num_search_steps < 0 or search_weight < 0:
            raise ValueError(
                f"expected num_search_steps and search_weight ≥ 0, got {num_search_steps} and {search_weight}"
            )
        self.num_search_steps, self.search_weight = num_search_steps, search_weight
        self.options = {"learning_rate": search_rate, "control_spacing": control_spacing}
        self.describe: Callable = mind_ssc if search_similarity == "mind" else nn.Identity()
        self.compare = nn.MSELoss() if search_similarity == "mind" else dissimilarity(search_similarity)

    def __call__(self, inputs: torch.Tensor, network: Callable[..., torch.Tensor], *args: Any, **kwargs: Any):
        """Field of pairs (B, 2, *spatial), fixed first: (B, 3, *spatial), voxels."""
        ddf = super().__call__(inputs, network, *args, **kwargs)
        if self.num_search_steps == 0:
            return ddf
        with torch.no_grad():
            fixed, moving = self.describe(inputs[:, :1].float()), self.describe(inputs[:, 1:].float())

        def loss(field: torch.Tensor) -> torch.Tensor:
            return self.compare(warp(moving, field), fixed) + self.search_weight * diffusion(field)

        return optimize_field(ddf, loss, num_iterations=self.num_search_steps, velocity=True, **self.options)
