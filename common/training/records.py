"""What an evaluation leaves: a table of all pairs, the mean scores, the course of the validations."""

import csv
import io
import json
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine, Events
from monai.engines.utils import IterationEvents
from monai.handlers import TensorBoardStatsHandler

from ..distributed import process_rank
from ..files import merged, plain, write_atomically, write_json
from ..memory import peak_memory_gib
from .score_summary import score_summary

SCORES_KEY = "scores"


class ScoresCsv:
    """Writes ``scores.csv``: one row per pair, and their mean as the last; cells without a value stay empty.

    Prints the means and the first or worst cases, before and after, see :func:`~.score_summary.score_summary`.

    ``seconds`` is the time from the batch to the field; ``peak_memory_gib`` the most that the process (CPU) or the
    device (GPU) has held until then.

    Args:
        output_dir: folder of the run.
        filename: name of the file.
    """

    def __init__(self, output_dir: str, filename: str = "scores.csv") -> None:
        self.path = Path(output_dir) / filename
        self.rows: list[dict] = []
        self._started = self._seconds = 0.0

    def attach(self, engine: Engine) -> None:
        """Register with an evaluator."""
        engine.add_event_handler(Events.STARTED, self.started)
        engine.add_event_handler(Events.ITERATION_STARTED, self.iteration_started)
        engine.add_event_handler(IterationEvents.FORWARD_COMPLETED, self.forward_completed)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self.iteration_completed)
        engine.add_event_handler(Events.COMPLETED, self.completed)

    def started(self, engine: Engine) -> None:
        """Forget earlier pairs."""
        self.rows = []

    def iteration_started(self, engine: Engine) -> None:
        """Start the clock."""
        self._started = time.perf_counter()

    def forward_completed(self, engine: Engine) -> None:
        """Stop the clock."""
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self._seconds = time.perf_counter() - self._started

    def iteration_completed(self, engine: Engine) -> None:
        """Take the rows of a batch."""
        for item, name in zip(engine.state.output, case_names(engine, len(self.rows)), strict=True):
            row = {"name": name, **_known(item[SCORES_KEY])}
            row |= {"seconds": self._seconds / len(engine.state.output), "peak_memory_gib": peak_memory_gib()}
            self.rows.append(row)

    def completed(self, engine: Engine) -> None:
        """Write the file; the engine's metrics get the mean seconds and the peak of memory."""
        if not self.rows:
            return
        engine.state.metrics["seconds"] = sum(row["seconds"] for row in self.rows) / len(self.rows)
        engine.state.metrics["peak_memory_gib"] = max(row["peak_memory_gib"] for row in self.rows)
        if process_rank() == 0:
            text = scores_table(self.rows)
            write_atomically(self.path, lambda stream: stream.write(f"{text}\n".encode()))
            print("", *score_summary(self.rows), sep="\n", flush=True)


def case_names(engine: Engine, first: int = 0) -> list[str]:
    """Names of the cases of an engine's last batch: their own, fixed-moving of two subjects, or else their number.

    Args:
        engine: with decollated output and, where it has names, batch.
        first: number of the first case.
    """
    output, batch = engine.state.output, engine.state.batch
    given = batch if isinstance(batch, list) and len(batch) == len(output) else [{}] * len(output)
    return [_case_name({**given[k], **item}, str(first + k)) for k, item in enumerate(output)]


def _case_name(item: Mapping[str, Any], number: str) -> str:
    subjects = [item[key] for key in ("fixed_subject", "moving_subject") if isinstance(item.get(key), str)]
    return str(item.get("name", "-".join(subjects) or item.get("subject", number)))


def scores_table(rows: list[dict]) -> str:
    """CSV of rows and their mean; columns in the order in which they first appear.

    Example:
        >>> print(scores_table([{"name": "a", "dice": 0.5}, {"name": "b", "dice": 1.0}]))
        name,dice
        a,0.5
        b,1.0
        mean,0.75
    """
    columns = list(dict.fromkeys(key for row in rows for key in row))
    mean = {"name": "mean"}
    for column in columns:
        values = [row[column] for row in rows if isinstance(row.get(column), float) and row[column] == row[column]]
        if values:
            mean[column] = sum(values) / len(values)
    stream = io.StringIO()
    writer = csv.DictWriter(stream, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows([*rows, mean])
    return stream.getvalue().rstrip("\n")


def _known(scores: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in scores.items() if not math.isnan(value)}


class MetricsJson:
    """Writes the metrics of an evaluator to ``metrics.json`` when the evaluation ends.

    Floats keep full precision, NaN becomes null, the file is replaced in one step and only by process 0. A matrix, as
    of confusions, goes to ``<name>.csv`` beside it.

    Args:
        output_dir: folder of the run.
        settings: name → value of what the reader must know: weights, data, seed; one mapping or several.
        filename: name of the file.

    Example:
        >>> import json, tempfile
        >>> from ignite.engine import Engine
        >>> folder = tempfile.mkdtemp()
        >>> engine = Engine(lambda engine, batch: None)
        >>> MetricsJson(folder, {"seed": 0}).attach(engine)
        >>> engine.state.metrics["dice"] = 0.75
        >>> _ = engine.run([0])
        >>> json.loads(Path(folder, "metrics.json").read_text())
        {'metrics': {'dice': 0.75}, 'settings': {'seed': 0}}
    """

    def __init__(
        self,
        output_dir: str,
        settings: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
        filename: str = "metrics.json",
    ) -> None:
        self.path = Path(output_dir) / filename
        self.settings = merged(settings)

    def attach(self, engine: Engine) -> None:
        """Register with an evaluator.

        Args:
            engine: the evaluator.
        """
        engine.add_event_handler(Events.COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        """Write the file."""
        if process_rank() == 0:
            metrics = {name: plain(value) for name, value in engine.state.metrics.items()}
            matrices = {name: value for name, value in metrics.items() if _is_matrix(value)}
            for name, value in matrices.items():
                text = "".join(",".join(f"{number:g}" for number in row) + "\n" for row in value)
                write_atomically(
                    self.path.with_name(f"{name}.csv"), lambda stream, text=text: stream.write(text.encode())
                )
            numbers = {name: value for name, value in metrics.items() if name not in matrices}
            write_json(self.path, {"metrics": numbers, "settings": self.settings})


def _is_matrix(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], list)


class ScalarWriter(TensorBoardStatsHandler):
    """MONAI's TensorBoard curves, of process 0 alone.

    Args:
        log_dir: folder of the run.
        **options: MONAI's.
    """

    def __init__(self, log_dir: str, **options: Any) -> None:
        self.writes = process_rank() == 0
        if self.writes:
            super().__init__(log_dir=log_dir, **options)

    def attach(self, engine: Engine) -> None:
        """Register with a trainer or an evaluator."""
        if self.writes:
            super().attach(engine)


class Convergence:
    """Writes the scalar metrics of every validation to ``convergence.json``, a list ordered by epoch.

    A resumed training continues the list where its checkpoint was made; what a stopped one wrote beyond is replaced.

    Args:
        output_dir: folder of the run.
        filename: name of the file.

    Example:
        >>> import tempfile
        >>> folder = tempfile.mkdtemp()
        >>> evaluator = Engine(lambda engine, batch: None)
        >>> Convergence(folder).attach(evaluator)
        >>> evaluator.state.metrics["loss"] = 0.5
        >>> _ = evaluator.run([0], max_epochs=1)
        >>> json.loads(Path(folder, "convergence.json").read_text())
        [{'epoch': 1, 'loss': 0.5}]
    """

    def __init__(self, output_dir: str, filename: str = "convergence.json") -> None:
        self.path = Path(output_dir) / filename

    def attach(self, engine: Engine) -> None:
        """Register with an evaluator, whose epoch MONAI's ValidationHandler sets to that of the training."""
        engine.add_event_handler(Events.COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        """Add the epoch's scores."""
        if process_rank() != 0:
            return
        epoch = engine.state.epoch
        earlier = json.loads(self.path.read_text(encoding="utf-8")) if self.path.is_file() else []
        scores = {name: value for name, value in engine.state.metrics.items() if isinstance(value, int | float)}
        scores = {name: value if math.isfinite(value) else None for name, value in scores.items()}
        write_json(self.path, [*(row for row in earlier if row["epoch"] < epoch), {"epoch": epoch, **scores}])
