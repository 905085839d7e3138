"""MONAI trainer for methods that bring their own training step."""

from collections.abc import Callable, Sequence

import torch
from monai.engines import Trainer


class StepTrainer(Trainer):
    """Calls `step(engine, batch)` once per batch; what it returns is `engine.state.output`.

    Args:
        device: recorded in the engine's state; the step moves the data.
        max_epochs: epochs to train.
        train_data_loader: yields the batches.
        step: does the forward passes, the backward passes and the optimizer steps, and returns a dictionary of losses.
        train_handlers: Ignite handlers.
    """

    def __init__(
        self,
        device: torch.device | str,
        max_epochs: int,
        train_data_loader: torch.utils.data.DataLoader,
        step: Callable,
        train_handlers: Sequence | None = None,
    ) -> None:
        super().__init__(
            device=device,
            max_epochs=max_epochs,
            data_loader=train_data_loader,
            iteration_update=step,
            handlers=train_handlers,
            decollate=False,
        )
