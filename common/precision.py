"""bfloat16 where the machine multiplies it, float32 elsewhere."""

import logging
from functools import cache

import torch

logger = logging.getLogger(__name__)


@cache
def multiplies_bfloat16(device_type: str) -> bool:
    """Whether convolutions in bfloat16 are worth it on a device; where not, that is logged, once.

    Without AVX-512 (or bfloat16 on ARM) torch leaves oneDNN and convolves element by element, a hundred times slower
    than in float32.

    Args:
        device_type: "cpu", "cuda", ….

    Example:
        >>> multiplies_bfloat16("cpu") in (True, False)
        True
    """
    native = device_type != "cpu" or _cpu_multiplies_bfloat16()
    if not native:
        logger.warning("amp: this CPU has no bfloat16 convolutions, float32 is used instead.")
    return native


def _cpu_multiplies_bfloat16() -> bool:
    return torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()


def bfloat16_autocast(device_type: str, enabled: bool) -> torch.autocast:
    """Context in which networks run in bfloat16, where that is asked for and the device multiplies it.

    bfloat16 has the range of float32, so no gradient scaler is needed.

    Args:
        device_type: "cpu", "cuda", ….
        enabled: False is float32 everywhere.

    Example:
        >>> with bfloat16_autocast("cpu", enabled=False):
        ...     torch.nn.Conv3d(1, 1, 1)(torch.rand(1, 1, 2, 2, 2)).dtype
        torch.float32
    """
    return torch.autocast(device_type, dtype=torch.bfloat16, enabled=bool(enabled) and multiplies_bfloat16(device_type))
