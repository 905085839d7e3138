"""What several processes need so that together they take the step of one."""

from collections.abc import Sequence

import torch
import torch.distributed
from torch import distributed
from torch.distributed.nn.functional import all_gather


def average_gradients(gradients: Sequence[torch.Tensor]) -> None:
    """Replace each gradient by its mean over all processes, in place; nothing to do for one process.

    With a loss that is a mean over samples and equal shares of the batch this is the gradient of the whole batch.
    """
    if process_count() == 1:
        return
    for gradient in gradients:
        distributed.all_reduce(gradient)
        gradient /= process_count()


def gather_batch(tensor: torch.Tensor) -> torch.Tensor:
    """Concatenate the batches of all processes, (B, ...) → (W · B, ...), for losses that are no mean over samples.

    Gradients flow back to every process; together with :func:`average_gradients` they are those of the whole batch.
    """
    if process_count() == 1:
        return tensor
    return torch.cat(all_gather(tensor.contiguous()))


def process_rank() -> int:
    """Rank of this process, 0 where torch.distributed is not initialized."""
    initialized = torch.distributed.is_available() and torch.distributed.is_initialized()
    return torch.distributed.get_rank() if initialized else 0


def process_count() -> int:
    """Number of processes, 1 where torch.distributed is not initialized."""
    initialized = torch.distributed.is_available() and torch.distributed.is_initialized()
    return torch.distributed.get_world_size() if initialized else 1
