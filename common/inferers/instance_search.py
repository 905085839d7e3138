"""A registration network whose field a few steps of Adam on the pair itself make better."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from ..fields.resize import resize
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
        shrink: the search runs on a grid with so many times fewer voxels per axis, in voxels of which rate, weight and
            spacing count.

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
    ) -> None:
        super().__init__(num_passes)
        if num_search_steps < 0 or search_weight < 0 or shrink < 1:
            raise ValueError(
                "expected num_search_steps and search_weight ≥ 0 and shrink ≥ 1,"
                f" got {num_search_steps}, {search_weight} and {shrink}"
            )
        self.shrink = shrink
        self.num_search_steps, self.search_weight = num_search_steps, search_weight
        self.options = {"learning_rate": search_rate, "control_spacing": control_spacing}
        self.describe: Callable = mind_ssc if search_similarity == "mind" else nn.Identity()
        self.compare = nn.MSELoss() if search_similarity == "mind" else dissimilarity(search_similarity)

    def __call__(self, inputs: torch.Tensor, network: Callable[..., torch.Tensor], *args: Any, **kwargs: Any):
        """Field of pairs (B, 2, *spatial), fixed first: (B, 3, *spatial), voxels."""
        ddf = super().__call__(inputs, network, *args, **kwargs)
        if self.num_search_steps == 0:
            return ddf
        full = list(inputs.shape[2:])
        small = [max(size // self.shrink, 2) for size in full]
        with torch.no_grad():
            fixed, moving = (shrunk(self.describe(inputs[:, k : k + 1].float()), small) for k in (0, 1))

        def loss(field: torch.Tensor) -> torch.Tensor:
            return self.compare(warp(moving, field), fixed) + self.search_weight * diffusion(field)

        start = resize(ddf, small)
        found = optimize_field(start, loss, num_iterations=self.num_search_steps, velocity=True, **self.options)
        return resize(found, full)


def shrunk(volume: torch.Tensor, spatial_shape: list[int]) -> torch.Tensor:
    """Volume (B, C, *spatial) on a coarser grid with the same outermost voxel centers, as ``resize`` has them."""
    if list(volume.shape[2:]) == spatial_shape:
        return volume
    smooth = functional.avg_pool3d(functional.pad(volume, (1,) * 6, mode="replicate"), 3, stride=1)
    return functional.interpolate(smooth, spatial_shape, mode="trilinear", align_corners=True)
