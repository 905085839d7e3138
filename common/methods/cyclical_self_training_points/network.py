"""Registration of two keypoint clouds: graph features, then sparse loopy belief propagation."""

import torch
from torch import nn

from ...weights import keep_settings
from .belief_propagation import expected_displacement, propagate_beliefs, symmetric_edges
from .graph_features import GraphFeatures, nearest_neighbors, rows_of

FEATURES = ("network", "none")


class KeypointRegistration(nn.Module):
    """Displacements of the fixed keypoints, from one tensor with both clouds.

    Channels of ``image``: 0–2 fixed coordinates, 3 validity of the fixed point, 4–6 moving coordinates, 7 validity of
    the moving point. A slot is a point where its validity is above 0.5; other slots are ignored, so clouds of
    different sizes share a tensor. The candidates of a fixed point are its nearest moving points, as displacements
    d(a); their unary cost is α · mean_c (f_c(fixed) − g_c(moving))².

    Args:
        unary_scale: α ≥ 0; 0 registers by the regularity of the motion alone.
        num_neighbors_fixed: k of the fixed cloud's feature graph; authors' code: 10.
        num_neighbors_moving: k of the moving cloud's; authors' code: 30 (Hansen & Heinrich), 40 (Bigalke et al. 2022).
        num_neighbors_graph: nearest other points that a fixed point exchanges messages with; authors' code: 10.
        num_candidates: authors' code: 256.
        coupling: weight of squared differences between neighboring displacements; authors' code: 10.
        sharpness: of the soft-argmin over beliefs; authors' code: 50.
        num_rounds: of belief propagation; authors' code: 5.

    Raises:
        ValueError: for a negative scale or counts below 1.

    Example:
        >>> registration = KeypointRegistration(num_candidates=16).eval()
        >>> registration(torch.rand(1, 8, 64)).shape
        torch.Size([1, 3, 64])

    Reference: Bigalke et al., MICCAI 2023, equation 1 and section 2.3; Hansen & Heinrich, IPMI 2021.
    """

    def __init__(
        self,
        unary_scale: float = 1.0,
        num_neighbors_fixed: int = 10,
        num_neighbors_moving: int = 30,
        num_neighbors_graph: int = 10,
        num_candidates: int = 256,
        coupling: float = 10.0,
        sharpness: float = 50.0,
        num_rounds: int = 5,
    ):
        super().__init__()
        counts = (num_neighbors_fixed, num_neighbors_moving, num_neighbors_graph, num_candidates, num_rounds)
        if unary_scale < 0 or min(counts) < 1:
            raise ValueError(f"expected unary_scale ≥ 0 and counts ≥ 1, got {unary_scale} and {counts}")
        self.features = GraphFeatures()
        self.unary_scale = float(unary_scale)
        self.num_neighbors_fixed = num_neighbors_fixed
        self.num_neighbors_moving = num_neighbors_moving
        self.num_neighbors_graph = num_neighbors_graph
        self.num_candidates = num_candidates
        self.coupling = float(coupling)
        self.sharpness = float(sharpness)
        self.num_rounds = num_rounds
        keep_settings(self)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Clouds (B, 8, N), coordinates in [−1, 1] → displacements (B, 3, N) in the same unit, 0 in empty slots."""
        pred = torch.zeros_like(image[:, :3])
        for pair in range(image.shape[0]):
            fixed_slots = (image[pair, 3] > 0.5).nonzero().squeeze(1)
            moving_slots = (image[pair, 7] > 0.5).nonzero().squeeze(1)
            fixed, moving = image[pair, :3, fixed_slots].T, image[pair, 4:7, moving_slots].T
            chosen = torch.arange(fixed.shape[0], device=image.device)
            pred[pair, :, fixed_slots] = self.register(fixed, moving, chosen).T
        return pred

    @torch.jit.export
    def register(self, fixed: torch.Tensor, moving: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
        """Displacements (n, 3) of the chosen ones, (n,), among the fixed points (N, 3); moving points (M, 3).

        Features come from the whole clouds; messages run among the chosen points only, which a training uses.
        """
        fixed_features, moving_features = fixed[:, :0], moving[:, :0]
        if self.unary_scale > 0:
            fixed_features = self.features(fixed, self.num_neighbors_fixed)
            moving_features = self.features(moving, self.num_neighbors_moving)
        return self.match(fixed[chosen], moving, fixed_features.index_select(0, chosen), moving_features)

    def match(
        self,
        fixed: torch.Tensor,
        moving: torch.Tensor,
        fixed_features: torch.Tensor,
        moving_features: torch.Tensor,
    ) -> torch.Tensor:
        """Displacements (N, 3) of fixed points (N, 3) among moving ones (M, 3), from features (N, C) and (M, C)."""
        candidates = nearest_neighbors(fixed, moving, self.num_candidates)
        displacements = moving[candidates] - fixed.unsqueeze(1)
        unary = torch.zeros_like(displacements[:, :, 0])
        if self.unary_scale > 0:
            difference = fixed_features.unsqueeze(1) - rows_of(moving_features, candidates)
            unary = self.unary_scale * difference.square().mean(2)
        edges = symmetric_edges(nearest_neighbors(fixed, fixed, self.num_neighbors_graph + 1))
        beliefs = propagate_beliefs(unary, displacements, edges[0], edges[1], edges[2], self.coupling, self.num_rounds)
        return expected_displacement(beliefs, displacements, self.sharpness)
