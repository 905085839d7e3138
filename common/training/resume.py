"""Exact resume: a stopped run goes on to the numbers of a run that was never stopped."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ignite.engine import Engine, Events

from ..distributed import process_count, process_rank
from ..files import merged, plain, write_atomically
from .random_state import random_state, set_random_state
from .run_folder import FINISHED

CHECKPOINT_NAME = "training.pt"
_BEST = ("best_metric", "best_metric_epoch")


def find_checkpoint(folder: str | Path) -> Path:
    """Newest training checkpoint in a folder or below it.

    Args:
        folder: folder of a run.

    Returns:
        Path of the file.

    Raises:
        FileNotFoundError: if there is none.
    """
    found = sorted(Path(folder).rglob(CHECKPOINT_NAME), key=lambda path: path.stat().st_mtime_ns)
    if not found:
        raise FileNotFoundError(
            f"expected a checkpoint {CHECKPOINT_NAME} in {folder} to resume from, found none; "
            "a new run needs resume false"
        )
    return found[-1]


class TrainingCheckpoint:
    """Saves the whole state of a training and, where asked to, continues from it exactly.

    One file, ``training.pt``, replaced atomically: every object of ``save_dict``, the trainer's iteration and
    best metric, the gradient scaler, and the global generators of every process. It is written after all
    other handlers of an epoch (validation, schedulers, early stopping) have run, whatever their order in the
    list, and before the first epoch, for what a run does before it learns. The network state goes to the CPU
    when read, so a run may continue on another device.

    Args:
        folder: where the checkpoint lives, usually the run's checkpoint folder.
        save_dict: name → object with ``state_dict`` and ``load_state_dict``, or ``torch.Generator``, or a
            dictionary of such: every network, optimizer, scheduler, early-stopping handler and generator.
        resume: whether to continue from the newest checkpoint in ``folder``.
        settings: name → value of whatever must not change between the two parts of a run; one mapping or several.
        evaluator: validation engine, whose best metric is kept.
        epoch_interval: save after every so many epochs, and always at the end.
        iteration_interval: save also after every so many iterations; 0 means never. Continuing within an
            epoch needs :class:`~common.training.set_epoch.SetEpoch` and an
            :class:`~common.data.epoch_order.EpochSampler`.

    Raises:
        TypeError: if an object has no state.
        FileNotFoundError: at the start of the training, if there is nothing to resume from.
        ValueError: at the start of the training, if the checkpoint cannot be read or belongs to other
            settings, objects or numbers of processes.
    """

    def __init__(
        self,
        folder: str | Path,
        save_dict: Mapping[str, Any],
        resume: bool = False,
        settings: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
        evaluator: Engine | None = None,
        epoch_interval: int = 1,
        iteration_interval: int = 0,
    ) -> None:
        self.save_dict = _flat(save_dict)
        for name, value in self.save_dict.items():
            if not isinstance(value, torch.Generator) and not hasattr(value, "load_state_dict"):
                raise TypeError(
                    f"expected save_dict[{name!r}] to have state_dict and load_state_dict or to be a "
                    f"torch.Generator, got {type(value).__name__}"
                )
        self.folder = Path(folder)
        self.resume = resume
        self.settings = {**merged(settings), "processes": process_count()}
        self.evaluator = evaluator
        self.epoch_interval = epoch_interval
        self.iteration_interval = iteration_interval
        self._random_state: Mapping[str, Any] | None = None
        self._saved_iteration = -1

    def attach(self, engine: Engine) -> None:
        """Register with a trainer.

        Args:
            engine: the trainer.
        """
        engine.add_event_handler(Events.STARTED, self.started)
        engine.add_event_handler(Events.GET_BATCH_STARTED, self.batch_started)

    def started(self, engine: Engine) -> None:
        """Load where asked to, else save; register the saving behind every handler attached so far."""
        if self.resume:
            self.load(engine)
            self.resume = False
        elif engine.state.iteration == 0:
            self.save(engine)
        (self.folder / FINISHED).unlink(missing_ok=True)
        if not engine.has_event_handler(self.save_due, Events.EPOCH_COMPLETED):
            engine.add_event_handler(Events.ITERATION_COMPLETED, self.save_due_within_epoch)
            engine.add_event_handler(Events.EPOCH_COMPLETED, self.save_due)
            engine.add_event_handler(Events.COMPLETED, self.save_last)

    def batch_started(self, engine: Engine) -> None:
        """Undo what opening a loader in the middle of an epoch drew from the global generators."""
        batch = engine.state.iteration % engine.state.epoch_length
        if self._random_state is not None and batch:
            _check_start(engine, batch)
            set_random_state(self._random_state)
        self._random_state = None

    def save_due_within_epoch(self, engine: Engine) -> None:
        """Save at the iteration interval; the last iteration of an epoch belongs to the end of the epoch."""
        iteration = engine.state.iteration
        if not self.iteration_interval or iteration % engine.state.epoch_length == 0:
            return
        if iteration % self.iteration_interval == 0:
            self.save(engine)

    def save_due(self, engine: Engine) -> None:
        """Save at the epoch interval."""
        if engine.state.epoch % self.epoch_interval == 0:
            self.save(engine)

    def save_last(self, engine: Engine) -> None:
        """Save at the end of the run, a broken-off epoch only with an iteration interval; mark the run as finished."""
        if self.iteration_interval or engine.state.iteration % engine.state.epoch_length == 0:
            self.save(engine)
        if process_rank() == 0:
            (self.folder / FINISHED).touch()

    def save(self, engine: Engine) -> None:
        """Write the checkpoint, unless this iteration has been written already."""
        if engine.state.iteration == self._saved_iteration:
            return
        state = self._collect(engine)
        if process_rank() == 0:
            path = self.folder / CHECKPOINT_NAME
            write_atomically(path, lambda stream: torch.save(state, stream))
            if self._saved_iteration < 0:
                read_checkpoint(path)
        self._saved_iteration = engine.state.iteration

    def load(self, engine: Engine) -> None:
        """Read the newest checkpoint and put everything into its state."""
        path = find_checkpoint(self.folder)
        state = read_checkpoint(path)
        _check_same(path, "settings", state["settings"], self.settings)
        present = dict.fromkeys(self.save_dict, "present")
        _check_same(path, "objects", dict.fromkeys(state["objects"], "present"), present)
        _restore_engine(path, engine, state["trainer"])
        for name, value in self.save_dict.items():
            _set_state(value, state["objects"][name])
        if self.evaluator is not None:
            _set_attributes(self.evaluator, state["evaluator"])
        if getattr(engine, "scaler", None) is not None and state["scaler"]:
            engine.scaler.load_state_dict(state["scaler"])
        self._random_state = state["random"][process_rank()]
        set_random_state(self._random_state)
        self._saved_iteration = engine.state.iteration
        epoch, iteration = engine.state.epoch, engine.state.iteration
        engine.logger.info(f"Continuing from {path}: epoch {epoch}, iteration {iteration}")

    def _collect(self, engine: Engine) -> dict[str, Any]:
        states = [random_state()]
        if process_count() > 1:
            states = [None] * process_count()
            torch.distributed.all_gather_object(states, random_state())
        scaler = getattr(engine, "scaler", None)
        trainer = {"iteration": engine.state.iteration, "epoch_length": engine.state.epoch_length}
        return {
            "settings": self.settings,
            "objects": {name: _state(value) for name, value in self.save_dict.items()},
            "trainer": trainer | _attributes(engine),
            "evaluator": {} if self.evaluator is None else _attributes(self.evaluator),
            "scaler": {} if scaler is None else scaler.state_dict(),
            "random": states,
        }


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read a training checkpoint onto the CPU without running code from the file.

    Args:
        path: file written by :class:`TrainingCheckpoint`.

    Returns:
        Its content.

    Raises:
        ValueError: if the file is damaged, holds anything but plain data, or is no training checkpoint.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ValueError(f"expected a readable training checkpoint, got {path}: {error}") from error
    if not isinstance(state, dict) or not {"settings", "objects", "trainer", "random"} <= state.keys():
        raise ValueError(f"expected a training checkpoint, got {path} without its entries")
    return state


def _check_same(path: Path, what: str, expected: Mapping[str, Any], received: Mapping[str, Any]) -> None:
    names = [name for name in {**expected, **received} if expected.get(name) != received.get(name)]
    if names:
        text = "; ".join(f"{name}: expected {expected.get(name)}, got {received.get(name)}" for name in names)
        raise ValueError(f"checkpoint {path} belongs to other {what}: {text}")


def _restore_engine(path: Path, engine: Engine, state: Mapping[str, Any]) -> None:
    length = engine.state.epoch_length
    _check_same(path, "settings", {"epoch_length": state["epoch_length"]}, {"epoch_length": length})
    epoch = state["iteration"] // length
    if epoch > engine.state.max_epochs:
        raise ValueError(f"expected max_epochs ≥ {epoch}, the epoch of {path}, got {engine.state.max_epochs}")
    engine.state.iteration = state["iteration"]
    engine.state.epoch = epoch
    _set_attributes(engine, state)


def _check_start(engine: Engine, batch: int) -> None:
    received = getattr(engine.data_loader.sampler, "start_batch", "a sampler without start_batch")
    if received != batch:
        raise ValueError(
            f"expected SetEpoch and an EpochSampler to continue at batch {batch} of the epoch, got {received}"
        )


def _flat(objects: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in objects.items():
        if isinstance(value, Mapping) and not hasattr(value, "load_state_dict"):
            flat |= {f"{name}/{inner}": item for inner, item in _flat(value).items()}
        else:
            flat[name] = value
    return flat


def _attributes(engine: Engine) -> dict[str, Any]:
    return {name: plain(getattr(engine.state, name)) for name in _BEST if hasattr(engine.state, name)}


def _set_attributes(engine: Engine, state: Mapping[str, Any]) -> None:
    for name in _BEST:
        if name in state:
            setattr(engine.state, name, state[name])


def _unwrapped(value: Any) -> Any:
    parallel = torch.nn.DataParallel | torch.nn.parallel.DistributedDataParallel
    return value.module if isinstance(value, parallel) else value


def _portable(value: Any) -> Any:
    """numpy scalars, which a weights-only file cannot hold, become Python numbers."""
    if isinstance(value, dict):
        return {key: _portable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_portable(item) for item in value)
    return value.item() if isinstance(value, np.generic) else value


def _state(value: Any) -> Any:
    if isinstance(value, torch.Generator):
        return value.get_state()
    value = _unwrapped(value)
    return value.state_dict() if isinstance(value, torch.nn.Module) else _portable(dict(value.state_dict()))


def _set_state(value: Any, state: Any) -> None:
    if isinstance(value, torch.Generator):
        value.set_state(state)
    else:
        _unwrapped(value).load_state_dict(state)
