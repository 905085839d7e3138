"""From a pair to its field: the search of the network, then the greedy solver on features of both resolutions."""

from collections.abc import Callable

import torch
from monai.inferers import Inferer

from ...fields.lattice import refine_lattice
from ...solvers.greedy import greedy_field
from ...solvers.greedy_settings import Greedy

SETTINGS = Greedy("mse", fluid=2.5, elastic=0.8)


class FeatureInferer(Inferer):
    """Field of one pair by a network and the greedy solver, as a validation needs it.

    Args:
        num_iterations: of the greedy solver on features of half and then of full resolution, at most; 0 for the
            network's field alone.
    """

    def __init__(self, num_iterations: int = 40) -> None:
        self.num_iterations = num_iterations

    def __call__(self, inputs: torch.Tensor, network: Callable, *args: object, **kwargs: object) -> torch.Tensor:
        """``image`` (1, 2, *spatial) and a network with ``features`` → ddf (1, 3, *spatial), voxels."""
        (fine, fine_moving), (coarse, coarse_moving) = (
            features.split(1) for features in network.features(inputs.transpose(0, 1))
        )
        stride, offset = float(network.stride), network.offset
        field = network.match(coarse, coarse_moving)
        if not self.num_iterations:
            return network.to_voxels(field, list(inputs.shape[2:]), 1)
        field = greedy_field(field, coarse, coarse_moving, self.num_iterations, SETTINGS)
        ddf = stride * refine_lattice(field, stride, offset, list(inputs.shape[2:]))
        return greedy_field(ddf, fine, fine_moving, self.num_iterations, SETTINGS)
