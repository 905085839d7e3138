"""One network call in mixed precision, on GPU and CPU alike."""

from collections.abc import Callable
from typing import Any

import torch
from monai.inferers import SimpleInferer


class AutocastInferer(SimpleInferer):
    """Calls the network in bfloat16 where that is safe and returns float32, so fields are never warped in half.

    MONAI's trainers know mixed precision for CUDA only. bfloat16 has the range of float32, so no gradient scaler is
    needed; on CPUs that multiply it natively, 3-D convolutions take about half the time.

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
        with torch.autocast(inputs.device.type, dtype=torch.bfloat16, enabled=self.amp):
            outputs = super().__call__(inputs, network, *args, **kwargs)
        return outputs.float()
