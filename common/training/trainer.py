"""MONAI's trainer for methods that bring their own step, and the batch of a registration."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from ignite.engine import Engine
from monai.engines import Trainer
from monai.utils import convert_to_tensor


class StepTrainer(Trainer):
    """Calls `step(engine, batch)` once per batch; a list of what it returns is `engine.state.output`.

    The list is the form of MONAI's own trainers, in which its handlers look for the loss.

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
            iteration_update=_Listed(step),
            handlers=train_handlers,
            decollate=False,
        )


class _Listed:
    def __init__(self, step: Callable) -> None:
        self.step = step

    def __call__(self, engine: Engine, batch: Any) -> list:
        return [self.step(engine, batch)]


def prepare_pair(
    batchdata: Mapping[str, torch.Tensor],
    device: torch.device | str | None = None,
    non_blocking: bool = False,
    **kwargs: Any,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Input of the network and target of the loss, which are the same: there are no labels.

    Args:
        batchdata: with ``image``, (B, 2, *spatial), fixed first.
        device: where both go.
        non_blocking: see ``torch.Tensor.to``.
        **kwargs: further arguments of ``torch.Tensor.to``.

    Returns:
        ``image`` twice, plain tensors.

    Example:
        >>> network_input, target = prepare_pair({"image": torch.zeros(1, 2, 4, 4)})
        >>> network_input is target
        True
    """
    image = convert_to_tensor(batchdata["image"], track_meta=False)
    image = image.to(device=device, non_blocking=non_blocking, **kwargs)
    return image, image


class Attached:
    """A handler that other parts of a config refer to, in a list where MONAI expects components only.

    Args:
        handler: anything with ``attach(engine)``.
    """

    def __init__(self, handler: Any) -> None:
        self.handler = handler

    def attach(self, engine: Engine) -> None:
        """Register the handler."""
        self.handler.attach(engine)
