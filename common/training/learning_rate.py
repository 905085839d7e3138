"""Learning rates that fall along a cosine, once or anew with every stage of a self-training."""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from ignite.engine import Engine, Events


class CosineRestart:
    """η(t) = end + ½ (start − end)(1 + cos π t) for the share t of the stage that has passed.

    Args:
        start: η at the beginning of a stage.
        end: η towards its end.

    Example:
        >>> round(CosineRestart(1e-3, 1e-5)(0.5), 6)
        0.000505

    Reference:
        Loshchilov & Hutter, SGDR, ICLR 2017, equation 5; Bigalke et al., MICCAI 2023, section 3.1: 1e-3 to 1e-5.
    """

    def __init__(self, start: float = 1e-3, end: float = 1e-5) -> None:
        if not start >= end > 0:
            raise ValueError(f"expected start ≥ end > 0, got {start} and {end}")
        self.start, self.end = start, end

    def __call__(self, progress: float) -> float:
        """Learning rate at the share ``progress`` of a stage, in [0, 1)."""
        return self.end + 0.5 * (self.start - self.end) * (1 + math.cos(math.pi * progress))


class StepRestart:
    """start · factorᵏ, where k milestones have been reached.

    Args:
        start: learning rate at the beginning of a stage.
        milestones: shares of the stage, ascending, in (0, 1).
        factor: at each milestone.

    Example:
        >>> [StepRestart(1.0, (0.5, 0.75), 0.5)(t) for t in (0.0, 0.5, 0.9)]
        [1.0, 0.5, 0.25]
    """

    def __init__(
        self, start: float = 1e-3, milestones: Sequence[float] = (40 / 60, 52 / 60), factor: float = 0.1
    ) -> None:
        if any(first >= second for first, second in pairwise([0.0, *milestones, 1.0])):
            raise ValueError(f"expected ascending milestones between 0 and 1, got {list(milestones)}")
        self.start, self.milestones, self.factor = start, tuple(milestones), factor

    def __call__(self, progress: float) -> float:
        """Learning rate at the share ``progress`` of a stage, in [0, 1)."""
        # A rounding error must not put off a milestone by one iteration.
        return self.start * self.factor ** sum(progress >= milestone - 1e-9 for milestone in self.milestones)


class StageLearningRate:
    """Sets the learning rate before every iteration from the number of the iteration alone, so it needs no state.

    Args:
        optimizer: whose parameter groups get it.
        schedule: share of the stage that has passed, in [0, 1) → learning rate.
        epochs_per_stage: after which the schedule starts anew.
    """

    def __init__(
        self, optimizer: torch.optim.Optimizer, schedule: Callable[[float], float], epochs_per_stage: int
    ) -> None:
        self.optimizer, self.schedule, self.epochs_per_stage = optimizer, schedule, epochs_per_stage

    def attach(self, engine: Engine) -> None:
        """Register with a trainer."""
        engine.add_event_handler(Events.ITERATION_STARTED, self.iteration_started)

    def iteration_started(self, engine: Engine) -> None:
        """Set the learning rate of the iteration that begins."""
        length = self.epochs_per_stage * engine.state.epoch_length
        learning_rate = self.schedule((engine.state.iteration - 1) % length / length)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate


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
