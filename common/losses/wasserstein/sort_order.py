"""The order that sorts the last axis of a tensor, quickly on a CPU."""

import torch

SHORT_ROW = 128  # up to here value and index share 32 bits
FLOAT32_BITS = 24  # of a mantissa


def sort_order(values: torch.Tensor) -> torch.Tensor:
    """Indices that sort the last axis: ``values.gather(-1, sort_order(values))`` ascends.

    On a CPU float32 values become whole numbers with the value in the high and the index in the low bits. NumPy sorts
    these with vector instructions, some twenty times as fast as ``torch.argsort``. In rows of up to 128 values, those
    closer than 2⁻²⁴ of the range of their row keep their given order; otherwise the order is exact.

    Args:
        values: (..., n), finite, n < 2³¹.

    Returns:
        (..., n), int64; equal values keep their order on the CPU.

    Example:
        >>> sort_order(torch.tensor([0.3, 0.1, 0.2])).tolist()
        [1, 2, 0]
    """
    if values.device.type != "cpu" or values.dtype != torch.float32:
        return values.argsort(dim=-1, stable=True)
    keys, index_bits = _short_keys(values) if values.shape[-1] <= SHORT_ROW else _long_keys(values)
    keys |= torch.arange(values.shape[-1], dtype=keys.dtype)
    keys.numpy().sort(axis=-1)
    return keys.bitwise_and_(2**index_bits - 1).long()


def _short_keys(values: torch.Tensor) -> tuple[torch.Tensor, int]:
    """Values scaled to the 24 bits above 7 free ones."""
    low, high = values.aminmax(dim=-1, keepdim=True)
    smallest = torch.finfo(torch.float32).tiny * 2.0**FLOAT32_BITS
    scale = (2**FLOAT32_BITS - 1) / (high - low).clamp(min=smallest)
    return ((values - low) * scale).int().bitwise_left_shift_(7), 7


def _long_keys(values: torch.Tensor) -> tuple[torch.Tensor, int]:
    """The bits of the values above 32 free ones; bits of negative numbers, of which more means less, are inverted."""
    bits = (values + 0.0).contiguous().view(torch.int32)
    bits ^= (bits >> 31) & 0x7FFFFFFF
    return bits.long().bitwise_left_shift_(32), 32
