"""One network call in mixed precision, on GPU and CPU alike."""

from collections.abc import Callable
from typing import Any

import torch
from monai.inferers import SimpleInferer

from ..mixed_precision import bfloat16_autocast


class AutocastInferer(SimpleInferer):
    """Calls the network in bfloat16 and returns float32, so fields are never warped in half.

    MONAI's trainers know mixed precision for CUDA only. On CPUs that multiply bfloat16 3-D convolutions take about half
    the time; on others, see :func:`~common.mixed_precision.multiplies_bfloat16`, the network runs in float32.

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
