"""Keypoint registration in several passes: register, warp by a smooth field, register the rest."""

from typing import Any

import torch
from monai.inferers import Inferer
from torch import nn

from .spline import ThinPlateSpline


class KeypointPasses(Inferer):
    """Registers a pair, moves the fixed points by a smooth field through the result, and registers again.

    With s_k a thin-plate spline with smoothing λ through pass k, pass k + 1 sees the fixed points x + s_k(x) and finds
    r; the displacement is then u(x) = s_k(x) + r(x + s_k(x)). The coupling of belief propagation thus acts on what the
    smooth field leaves, instead of on the whole strain of a breath.

    Args:
        num_passes: network calls per pair, ≥ 1; the image method of the paper warps twice.
        smoothing: λ between the passes, in the unit of the points.

    Raises:
        ValueError: for no pass.

    Reference: Bigalke et al., MICCAI 2023, section 2.3.1, second warp.
    """

    def __init__(self, num_passes: int = 2, smoothing: float = 10.0) -> None:
        super().__init__()
        if num_passes < 1:
            raise ValueError(f"expected num_passes ≥ 1, got {num_passes}")
        self.num_passes, self.smoothing = num_passes, smoothing

    def __call__(self, inputs: torch.Tensor, network: nn.Module, *args: Any, **kwargs: Any) -> torch.Tensor:
        """Displacements (B, 3, P) of the fixed points of pairs (B, 8, P)."""
        return self.passes(inputs, network)[-1]

    def passes(self, inputs: torch.Tensor, network: nn.Module) -> list[torch.Tensor]:
        """Displacements after each pass, (B, 3, P) each."""
        results = [network(inputs)]
        for _ in range(self.num_passes - 1):
            smooth = self._smooth(inputs, results[-1])
            moved = torch.cat([inputs[:, :3] + smooth, inputs[:, 3:]], 1)
            results.append(smooth + network(moved))
        return results

    def _smooth(self, image: torch.Tensor, displacements: torch.Tensor) -> torch.Tensor:
        smooth = torch.zeros_like(displacements)
        for pair in range(len(image)):
            valid = image[pair, 3] > 0.5
            points = image[pair, :3, valid].T
            smooth[pair, :, valid] = ThinPlateSpline(points, displacements[pair, :, valid].T, self.smoothing)(points).T
        return smooth
