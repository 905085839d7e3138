"""A learning rate that falls over a training."""

import math


class CosineFactor:
    """Factor of the learning rates after a number of epochs: from 1 to ``final`` along half a cosine.

    Args:
        max_epochs: length of the training.
        final: factor at its end; 1 keeps the rates, as the paper does.

    Example:
        >>> [round(CosineFactor(4, 0.0)(epoch), 2) for epoch in (0, 2, 4)]
        [1.0, 0.5, 0.0]
    """

    def __init__(self, max_epochs: int, final: float = 1.0) -> None:
        self.max_epochs, self.final = max_epochs, final

    def __call__(self, epoch: int) -> float:
        """Factor after that many epochs."""
        share = min(epoch / max(self.max_epochs, 1), 1.0)
        return self.final + (1 - self.final) * (1 + math.cos(math.pi * share)) / 2
