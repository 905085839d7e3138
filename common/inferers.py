"""From a registration network to its field: in bfloat16, in several passes, refined on the pair."""

from collections.abc import Callable
from typing import Any

import torch
from monai.inferers import Inferer, SimpleInferer

from .fields.ddf import compose, warp
from .precision import bfloat16_autocast
from .solvers.image_refinement import ImageRefinement


class RepeatedInferer(Inferer):
    """Registers, warps the moving image, and registers the rest, `num_passes` times in all.

    With φ_n = id + u_n the field after n passes and N the network, φ_{n+1} = φ_n ∘ (id + N(fixed, moving ∘ φ_n)):
    moving is always warped from its own intensities, once. One pass is MONAI's SimpleInferer.

    Gradients flow through all passes, so a network can be trained for them.

    Args:
        num_passes: network calls per pair, ≥ 1.
        inferer: how the network is called in each pass; None for MONAI's SimpleInferer.

    Raises:
        ValueError: for fewer than one pass.

    Example:
        >>> step = lambda image: torch.ones(1, 3, 4, 4, 4)  # a network that always says one voxel
        >>> RepeatedInferer(3)(torch.rand(1, 2, 4, 4, 4), step)[0, 0, 0, 0, 0].item()
        3.0
    """

    def __init__(self, num_passes: int = 1, inferer: Inferer | None = None) -> None:
        super().__init__()
        if num_passes < 1:
            raise ValueError(f"num_passes: expected at least 1, got {num_passes}")
        self.num_passes, self.inferer = num_passes, inferer or SimpleInferer()

    def __call__(self, inputs: torch.Tensor, network: Callable[..., torch.Tensor], *args: Any, **kwargs: Any):
        """Field of pairs (B, 2, *spatial), fixed first: (B, D, *spatial), voxels."""
        fixed, moving = inputs[:, :1], inputs[:, 1:]
        ddf = self.inferer(inputs, network, *args, **kwargs)
        for _ in range(self.num_passes - 1):
            rest = self.inferer(torch.cat([fixed, warp(moving, ddf)], dim=1), network, *args, **kwargs)
            ddf = compose(ddf, rest)
        return ddf


class AutocastInferer(SimpleInferer):
    """Calls the network in bfloat16 and returns float32, so fields are never warped in half.

    MONAI's trainers know mixed precision for CUDA only. On CPUs that multiply bfloat16 3-D convolutions take about half
    the time; on others, see :func:`~common.precision.multiplies_bfloat16`, the network runs in float32.

    Args:
        amp: whether to; False is MONAI's SimpleInferer.

    Example:
        >>> network = torch.nn.Conv3d(2, 3, 1)
        >>> AutocastInferer(amp=True)(torch.rand(1, 2, 4, 4, 4), network).dtype
        torch.float32
    """

    def __init__(self, amp: bool = False) -> None:
        super().__init__()
        self.amp = amp

    def __call__(self, inputs: torch.Tensor, network: Callable[..., torch.Tensor], *args: Any, **kwargs: Any):
        """network(inputs), float32."""
        with bfloat16_autocast(inputs.device.type, self.amp):
            outputs = super().__call__(inputs, network, *args, **kwargs)
        return outputs.float()


class RefiningInferer(RepeatedInferer):
    """The network's field, then :class:`~common.solvers.image_refinement.ImageRefinement` from there.

    Args:
        num_passes: network calls per pair, see :class:`RepeatedInferer`.
        refinement: on the images of the pair; None leaves it out.
        inferer: how the network is called, see :class:`RepeatedInferer`.
    """

    def __init__(
        self, num_passes: int = 1, refinement: ImageRefinement | None = None, inferer: Inferer | None = None
    ) -> None:
        super().__init__(num_passes, inferer)
        self.refinement = refinement

    def __call__(self, inputs: torch.Tensor, network: Callable[..., torch.Tensor], *args: Any, **kwargs: Any):
        """Field of pairs (B, 2, *spatial), fixed first: (B, 3, *spatial), voxels."""
        ddf = super().__call__(inputs, network, *args, **kwargs)
        return ddf if self.refinement is None else self.refinement(ddf, inputs)
