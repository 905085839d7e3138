"""Randomness that belongs to a sample, not to the order in which samples are drawn."""

import hashlib

import torch

_INDEX_BITS = 20
_EPOCH_BITS = 12
_WORD = 0xFFFFFFFF


def _permute(word: int, key: int) -> int:
    """Keyed permutation of the 32-bit words: xor, odd multiplication and xor-shift are each invertible."""
    for shift in (0, 32, 64):
        word ^= (key >> shift) & _WORD
        word = ((word ^ (word >> 16)) * 0x85EBCA6B) & _WORD
        word = ((word ^ (word >> 13)) * 0xC2B2AE35) & _WORD
        word ^= word >> 16
    return word


def sample_seed(seed: int, epoch: int, index: int) -> int:
    """Seed of one sample in one epoch.

    torch's CPU generator reads the low 32 bits of its seed only, so plain hashing would collide after some
    10⁵ samples. Epoch (12 bits) and index (20 bits) therefore form one word, which a permutation keyed by
    ``seed`` scrambles: within a block of 4096 epochs × 2²⁰ samples no two seeds are equal.

    Args:
        seed: seed of the run, ≥ 0.
        epoch: epoch number, ≥ 0.
        index: sample number within the data set, ≥ 0.

    Returns:
        Integer in [0, 2³²).

    Raises:
        ValueError: if an argument is negative.

    Example:
        >>> len({sample_seed(0, epoch, index) for epoch in range(20) for index in range(50)})
        1000
    """
    if min(seed, epoch, index) < 0:
        raise ValueError(f"expected seed, epoch and index ≥ 0, got {seed}, {epoch} and {index}")
    block = f"{seed}/{epoch >> _EPOCH_BITS}/{index >> _INDEX_BITS}".encode()
    key = int.from_bytes(hashlib.blake2b(block, digest_size=12).digest(), "little")
    epoch_bits = epoch & ((1 << _EPOCH_BITS) - 1)
    index_bits = index & ((1 << _INDEX_BITS) - 1)
    return _permute(epoch_bits << _INDEX_BITS | index_bits, key)


def sample_generator(seed: int, epoch: int, index: int) -> torch.Generator:
    """CPU generator of one sample in one epoch, see :func:`sample_seed`.

    A data set that draws all its randomness from this generator returns the same sample whatever the number
    of workers or processes, the order of drawing, or the point from which a run was resumed.

    Args:
        seed: seed of the run, ≥ 0.
        epoch: epoch number, ≥ 0.
        index: sample number within the data set, ≥ 0.

    Returns:
        A fresh generator.

    Raises:
        ValueError: if an argument is negative.

    Example:
        >>> first = torch.rand(3, generator=sample_generator(0, 1, 7))
        >>> bool(torch.equal(first, torch.rand(3, generator=sample_generator(0, 1, 7))))
        True
    """
    return torch.Generator().manual_seed(sample_seed(seed, epoch, index))
