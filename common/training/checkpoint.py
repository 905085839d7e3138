"""MONAI's checkpoint saver, with files that survive a kill and a score that survives a NaN."""

import math
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from typing import Any

import torch
from ignite.engine import Engine
from ignite.handlers import DiskSaver
from monai.handlers import CheckpointSaver

from ..distributed import process_rank
from ..files import merged
from ..weights import with_settings


class FiniteScore:
    """A score that is −∞ wherever the given one is not a number, so that any later number is better.

    Args:
        score: function of the engine; larger is better.

    Example:
        >>> FiniteScore(lambda engine: float("nan"))(None)
        -inf
    """

    def __init__(self, score: Callable[[Engine], float]) -> None:
        self.score = score

    def __call__(self, engine: Engine) -> float:
        """Score of the engine, never NaN."""
        value = float(self.score(engine))
        return -math.inf if math.isnan(value) else value


class MetricScore:
    """The value of a named metric of the engine, negated where smaller is better.

    Args:
        metric: name in ``engine.state.metrics``.
        smaller_is_better: whether the metric is an error.

    Raises:
        KeyError: when called, if the engine has no such metric.
    """

    def __init__(self, metric: str, smaller_is_better: bool = False) -> None:
        self.metric = metric
        self.sign = -1.0 if smaller_is_better else 1.0

    def __call__(self, engine: Engine) -> float:
        """Signed value of the metric."""
        metrics = engine.state.metrics
        if self.metric not in metrics:
            raise KeyError(f"expected a metric named {self.metric!r}, the engine has {sorted(metrics)}")
        return self.sign * float(metrics[self.metric])


def on_cpu(state: Any) -> Any:
    """A state, as of a network, with all tensors on the CPU, so that its file loads where there is no GPU.

    Args:
        state: tensor, dictionary or list; anything else is handed back.

    Returns:
        The same; dictionaries and lists are new ones.

    Example:
        >>> on_cpu({"weight": torch.ones(1), "stage": 3})
        {'weight': tensor([1.]), 'stage': 3}
    """
    if isinstance(state, torch.Tensor):
        return state.detach().cpu()
    if isinstance(state, list):
        return [on_cpu(value) for value in state]
    if not isinstance(state, dict):
        return state
    moved = copy(state)  # a state dict carries the versions of its modules as an attribute
    for name, value in state.items():
        moved[name] = on_cpu(value)
    return moved


class AtomicDiskSaver(DiskSaver):
    """Ignite's atomic disk saver with an optional fixed file name, replaced without being removed first.

    Tensors are written as tensors of the CPU, by process 0.

    Args:
        folder: where files are written.
        filename: name used for every file, or None for the names of the caller.
        settings: what the weights carry, see :func:`~common.weights.with_settings`; None for nothing.
    """

    def __init__(self, folder: str, filename: str | None = None, settings: Mapping[str, Any] | None = None) -> None:
        super().__init__(folder, atomic=True, create_dir=True, require_empty=False)
        self.filename, self.settings = filename, settings

    def __call__(self, checkpoint: Mapping[str, Any], filename: str, metadata: Mapping | None = None) -> None:
        """Write a file."""
        if process_rank() == 0:
            state = on_cpu(checkpoint)
            state = state if self.settings is None else with_settings(state, self.settings)
            super().__call__(state, self.filename or filename, metadata)

    def remove(self, filename: str) -> None:
        """Remove an outdated file; one with a fixed name is replaced instead."""
        if self.filename is None:
            super().remove(filename)


class AtomicCheckpointSaver(CheckpointSaver):
    """``monai.handlers.CheckpointSaver`` whose files are complete at any moment.

    MONAI writes in place and removes the previous best file before writing the next. Here every file is
    written beside its place and renamed, a metric that is not a number never counts as best, and a run that
    ends in an error leaves no final file, which would look like that of a whole one. The list of best scores
    can be resumed: give this handler to :class:`~common.training.resume.TrainingCheckpoint` in ``save_dict``.

    Args:
        settings: what evaluation and inference need of the training; the files carry it. One mapping or several.
        *args: MONAI's.
        **kwargs: MONAI's.
    """

    def __init__(
        self, *args: Any, settings: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        carried = None if settings is None else merged(settings)
        for checkpoint in (self._final_checkpoint, self._key_metric_checkpoint, self._interval_checkpoint):
            if checkpoint is not None:
                saver = checkpoint.save_handler
                checkpoint.save_handler = AtomicDiskSaver(saver.dirname, saver.filename, carried)
        if self._key_metric_checkpoint is not None:
            score = self._key_metric_checkpoint.score_function
            self._key_metric_checkpoint.score_function = FiniteScore(score)

    def exception_raised(self, engine: Engine, e: Exception) -> None:
        """Pass the error on; MONAI would write the final file, though the weights are those of a broken-off run."""
        raise e

    def state_dict(self) -> dict[str, Any]:
        """Scores and names of the best files."""
        return {} if self._key_metric_checkpoint is None else dict(self._key_metric_checkpoint.state_dict())

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over scores and names of the best files.

        Args:
            state_dict: what :meth:`state_dict` returned.
        """
        if self._key_metric_checkpoint is not None:
            self._key_metric_checkpoint.load_state_dict(state_dict)
