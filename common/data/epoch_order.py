"""The order in which samples are drawn, as a function of (seed, epoch) alone."""

from collections.abc import Iterator, Sized

import torch
import torch.distributed
from torch.utils.data import Sampler

from ..distributed import process_count, process_rank
from ..randomness import sample_generator

# Sample numbers stay below 2³², so this index gives the order of samples a stream no sample uses.
_ORDER_INDEX = 1 << 32


def local_batch_size(batch_size: int, world_size: int | None = None) -> int:
    """Share of one process in a batch.

    Args:
        batch_size: samples of one optimizer step over all processes.
        world_size: number of processes; None asks torch.distributed.

    Returns:
        Samples per process, to be given to the data loader.

    Raises:
        ValueError: if the batch cannot be divided evenly.

    Example:
        >>> local_batch_size(64, world_size=4)
        16
    """
    world_size = process_count() if world_size is None else world_size
    if batch_size < 1 or batch_size % world_size:
        raise ValueError(f"expected batch_size to be a multiple of {world_size} processes, got {batch_size}")
    return batch_size // world_size


def epoch_order(num_samples: int, seed: int, epoch: int) -> torch.Tensor:
    """Permutation of the samples in one epoch.

    Args:
        num_samples: number of samples, ≥ 1.
        seed: seed of the run, ≥ 0.
        epoch: epoch number, ≥ 0.

    Returns:
        Sample numbers, shape (num_samples,), int64.

    Example:
        >>> sorted(epoch_order(4, seed=0, epoch=1).tolist())
        [0, 1, 2, 3]
    """
    return torch.randperm(num_samples, generator=sample_generator(seed, epoch, _ORDER_INDEX))


class EpochSampler(Sampler[int]):
    """Shuffle by (seed, epoch), share every batch among the processes, start anywhere within an epoch.

    With W processes, process r takes entries r, r + W, r + 2W, … of the order a single process would see. A
    loader with ``local_batch_size(batch_size)`` samples per batch then draws, over all processes together,
    the batches of a single process.

    Args:
        dataset: anything with a length.
        batch_size: samples of one optimizer step over all processes.
        seed: seed of the run, ≥ 0.
        shuffle: whether to permute; otherwise samples come in their own order.
        drop_last: whether to leave out the samples after the last full batch.
        rank: rank of this process; None asks torch.distributed.
        world_size: number of processes; None asks torch.distributed.

    Raises:
        ValueError: if the batch, or the last incomplete batch, cannot be shared evenly by the processes, or
            if no sample is left.

    Example:
        >>> sampler = EpochSampler(range(6), batch_size=2, seed=0)
        >>> sampler.set_epoch(3)
        >>> whole = list(sampler)
        >>> sampler.set_epoch(3, start_batch=2)
        >>> list(sampler) == whole[4:]
        True
    """

    def __init__(
        self,
        dataset: Sized,
        batch_size: int,
        seed: int,
        shuffle: bool = True,
        drop_last: bool = False,
        rank: int | None = None,
        world_size: int | None = None,
    ) -> None:
        self.rank = process_rank() if rank is None else rank
        self.world_size = process_count() if world_size is None else world_size
        local_batch_size(batch_size, self.world_size)
        if not 0 <= self.rank < self.world_size:
            raise ValueError(f"expected rank in 0 … {self.world_size - 1}, got {self.rank}")
        self.num_samples = len(dataset)
        self.num_used = self.num_samples - (self.num_samples % batch_size if drop_last else 0)
        if self.num_used == 0 or self.num_used % self.world_size:
            raise ValueError(
                f"expected a positive number of samples that is a multiple of {self.world_size} processes, "
                f"got {self.num_used} (of {self.num_samples}, batch_size {batch_size}, drop_last {drop_last})"
            )
        self.batch_size = batch_size
        self.seed = seed
        self.shuffle = shuffle
        self.epoch = 0
        self.start_batch = 0

    def set_epoch(self, epoch: int, start_batch: int = 0) -> None:
        """Choose the epoch, and the batch of that epoch, at which the next iteration starts.

        Args:
            epoch: epoch number, ≥ 0.
            start_batch: number of batches already consumed in that epoch.

        Raises:
            ValueError: if the epoch has no such batch.
        """
        num_batches = -(-self.num_used // self.batch_size)
        if not 0 <= start_batch < num_batches:
            raise ValueError(f"expected start_batch in 0 … {num_batches - 1}, got {start_batch}")
        self.epoch = epoch
        self.start_batch = start_batch

    def __iter__(self) -> Iterator[int]:
        order = torch.arange(self.num_samples)
        if self.shuffle:
            order = epoch_order(self.num_samples, self.seed, self.epoch)
        start = self.start_batch * self.batch_size
        return iter(order[start : self.num_used][self.rank :: self.world_size].tolist())

    def __len__(self) -> int:
        return self.num_used // self.world_size
