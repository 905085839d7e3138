"""Registration by the features of a network, in a bundle's inference."""

from typing import Any

import torch
from monai.data import MetaTensor
from monai.inferers import Inferer

from ..methods.cyclical_self_training.network import ConvexRegistration
from .features import Features
from .greedy import FEATURES, refine_greedily, refinement_of
from .steps import DiscreteSearch, search


class FeatureRegistration(Inferer):
    """The search and the greedy refinement of ``register.py`` on features; in place of a predicted field.

    Args:
        effort: "fast", "normal" or "best", of the refinement; "none" for the search alone.
        num_search_passes: of the discrete search before; 0 for none.
        radius: of the search, cells of two voxels.

    Raises:
        ValueError: for another effort, or for neither step.
    """

    def __init__(self, effort: str = "normal", num_search_passes: int = 0, radius: int = 2) -> None:
        super().__init__()
        self.refinement = refinement_of(effort, FEATURES)
        self.search = DiscreteSearch(num_search_passes, radius=radius) if num_search_passes else None
        if self.refinement is None and self.search is None:
            raise ValueError(f"expected effort or num_search_passes, got {effort} and {num_search_passes}")

    def __call__(self, inputs: torch.Tensor, network: ConvexRegistration, *args: Any, **kwargs: Any) -> torch.Tensor:
        """Fields of pairs (B, 2, *spatial), fixed first: (B, 3, *spatial), voxels."""
        features = Features(network).eval()
        return torch.stack([self._field(*pair, features) for pair in inputs])

    def _field(self, fixed: torch.Tensor, moving: torch.Tensor, features: Features) -> torch.Tensor:
        """Of two volumes (X, Y, Z); in a world of voxels millimeters are voxels."""
        device, field = str(fixed.device), None
        images = [MetaTensor(torch.as_tensor(volume)[None].cpu(), affine=torch.eye(4)) for volume in (fixed, moving)]
        if self.search is not None:
            field = search(*images, field, self.search, device, features=features)
        if self.refinement is not None:
            field = refine_greedily(*images, field, self.refinement, device, features=features)
        return field.to(fixed)
