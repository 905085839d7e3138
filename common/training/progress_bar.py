"""Progress of a run: a bar in a terminal, a line now and then in a log."""

import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

import torch
from ignite.engine import Engine, Events
from tqdm import tqdm

from ..distributed import process_rank

_TERMINAL_SECONDS = 0.2


class LogLines:
    """A file for tqdm that turns every redrawn bar into one line.

    Args:
        file: where the lines go.

    Example:
        >>> LogLines(sys.stdout).write("\\r 50%|#####     | 1/2   ")
        50%|#####     | 1/2
    """

    def __init__(self, file: TextIO) -> None:
        self.file = file

    def write(self, text: str) -> None:
        """Write the text as a line of its own, unless it only moves the cursor."""
        text = text.strip()
        if text:
            self.file.write(text + "\n")

    def flush(self) -> None:
        """Flush the file."""
        self.file.flush()


class ProgressBar:
    """Shows epoch, iterations per second, the mean of each loss term and, after validation, the metrics.

    In a terminal this is a tqdm bar; elsewhere a line is written at most every ``interval`` seconds, and one
    at the end of every epoch. Only process 0 shows anything. The mean of a term is taken over the iterations
    of the epoch, and read from the device only when it is shown.

    Args:
        terms: keys of scalars in ``engine.state.output`` (a dictionary, or the list of dictionaries MONAI
            makes of it); "all" takes every scalar, None every one whose key contains "loss".
        evaluator: engine whose metrics are shown at the end of every epoch in which it ran.
        interval: seconds between two lines outside a terminal, > 0.
        label: text in front of the bar; the default is followed by the number of the epoch.
        file: where to write; None is the standard error stream.
    """

    def __init__(
        self,
        terms: Sequence[str] | str | None = None,
        evaluator: Engine | None = None,
        interval: float = 10.0,
        label: str = "epoch",
        file: TextIO | None = None,
    ) -> None:
        self.terms = terms
        self.evaluator = evaluator
        self.interval = interval
        self.label = label
        self.file = file
        self._bar: tqdm | None = None
        self._sums: dict[str, tuple[Any, int]] = {}
        self._shown = 0.0
        self._validated = False

    def attach(self, engine: Engine) -> None:
        """Register with a trainer or an evaluator.

        Args:
            engine: the engine.
        """
        engine.add_event_handler(Events.STARTED, self.started)
        engine.add_event_handler(Events.EPOCH_STARTED, self.epoch_started)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self.iteration_completed)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self.epoch_completed)
        if self.evaluator is not None:
            self.evaluator.add_event_handler(Events.COMPLETED, self.validated)

    def started(self, engine: Engine) -> None:
        """Register the summary behind every handler attached so far, thus behind the validation."""
        if not engine.has_event_handler(self.summarize, Events.EPOCH_COMPLETED):
            engine.add_event_handler(Events.EPOCH_COMPLETED, self.summarize)

    def epoch_started(self, engine: Engine) -> None:
        """Open the bar of the epoch."""
        if self._bar is not None:
            self._bar.close()
        self._sums, self._shown = {}, 0.0
        state = engine.state
        initial = state.iteration % state.epoch_length if state.epoch_length else 0
        self._bar = self._open(self._position(engine), state.epoch_length, initial)

    def iteration_completed(self, engine: Engine) -> None:
        """Add the loss terms, move the bar."""
        for name, value in loss_terms(engine.state.output, self.terms).items():
            total, count = self._sums.get(name, (0.0, 0))
            self._sums[name] = total + value, count + 1
        if time.monotonic() - self._shown > _TERMINAL_SECONDS:
            self._show_means()
        self._bar.update(1)

    def epoch_completed(self, engine: Engine) -> None:
        """Leave the finished bar standing, even where it was too quick to be shown before."""
        self._show_means()
        self._bar.delay = 0
        self._bar.close()

    def validated(self, evaluator: Engine) -> None:
        """Note that there are new metrics."""
        self._validated = True

    def summarize(self, engine: Engine) -> None:
        """Write the metrics, where the evaluator ran in this epoch, below the bar."""
        if self._validated and process_rank() == 0:
            metrics = describe(self.evaluator.state.metrics)
            self._stream().write(f"{self._position(engine)} validation: {metrics}\n")
        self._validated = False

    def _show_means(self) -> None:
        self._shown = time.monotonic()
        means = {name: float(total) / count for name, (total, count) in self._sums.items()}
        self._bar.set_postfix_str(describe(means), refresh=False)

    def _position(self, engine: Engine) -> str:
        epochs = f" {engine.state.epoch}/{engine.state.max_epochs}" if self.label == "epoch" else ""
        return self.label + epochs

    def _stream(self) -> TextIO:
        return sys.stderr if self.file is None else self.file

    def _open(self, description: str, total: int | None, initial: int) -> tqdm:
        stream = self._stream()
        options = {"mininterval": _TERMINAL_SECONDS, "dynamic_ncols": True, "file": stream}
        if not stream.isatty():
            options = {
                "mininterval": self.interval,
                "maxinterval": self.interval,
                "miniters": 1,
                "delay": 1e-6,
                "ascii": True,
                "ncols": 100,
                "file": LogLines(stream),
            }
        return tqdm(desc=description, total=total, initial=initial, disable=process_rank() > 0, **options)


def loss_terms(output: Any, terms: Sequence[str] | str | None = None) -> dict[str, torch.Tensor | float]:
    """Scalars to show from the output of an engine.

    Args:
        output: dictionary, or non-empty list of dictionaries of which the first is read.
        terms: keys to take; "all" takes every scalar, None every one whose key contains "loss".

    Returns:
        Key → number or detached one-element tensor; empty for any other kind of output.

    Raises:
        KeyError: if a named term is missing from a dictionary.
        ValueError: for another text than "all".

    Example:
        >>> loss_terms([{"loss": 0.5, "image": torch.zeros(2)}])
        {'loss': 0.5}
    """
    first = output[0] if isinstance(output, list) and output else output
    if not isinstance(first, Mapping):
        return {}
    if isinstance(terms, str) and terms != "all":
        raise ValueError(f"terms: expected a list of keys, 'all' or None, got {terms!r}")
    if terms is None or terms == "all":
        terms = [str(key) for key in first if (terms or "loss" in str(key)) and _is_scalar(first[key])]
    missing = [name for name in terms if name not in first]
    if missing:
        raise KeyError(f"expected the engine's output to hold {missing}, it holds {sorted(map(str, first))}")
    return {name: _detached(first[name]) for name in terms}


def describe(values: Mapping[str, Any]) -> str:
    """Names and numbers on one line; what is not a scalar is left out.

    Args:
        values: name → number or one-element tensor.

    Returns:
        Text such as "dice=0.812, loss=0.0123".

    Example:
        >>> describe({"dice": 0.8123, "confusion": torch.eye(2)})
        'dice=0.8123'
    """
    return ", ".join(f"{name}={float(value):.4g}" for name, value in values.items() if _is_scalar(value))


def _is_scalar(value: Any) -> bool:
    if isinstance(value, torch.Tensor):
        return value.numel() == 1
    return isinstance(value, int | float) or (hasattr(value, "ndim") and value.ndim == 0)


def _detached(value: Any) -> torch.Tensor | float:
    return value.detach().reshape(()) if isinstance(value, torch.Tensor) else float(value)
