"""Numbers drawn from a generator."""

import math

import torch


def uniform(generator: torch.Generator, low: float, high: float) -> float:
    """A number between two others.

    Example:
        >>> 2 <= uniform(torch.Generator(), 2, 3) <= 3
        True
    """
    return low + (high - low) * torch.rand((), generator=generator).item()


def log_uniform(generator: torch.Generator, low: float, high: float) -> float:
    """A positive number whose logarithm is drawn evenly."""
    return math.exp(uniform(generator, math.log(low), math.log(high)))


def chance(generator: torch.Generator, share: float) -> bool:
    """True in a share of all draws."""
    return torch.rand((), generator=generator).item() < share


def whole(generator: torch.Generator, low: int, high: int) -> int:
    """A whole number from low to high, both included.

    Example:
        >>> whole(torch.Generator(), 4, 4)
        4
    """
    return int(torch.randint(low, high + 1, (), generator=generator))
