"""The scores of every pair of an evaluation as a table, with the seconds of the network and the peak of memory."""

import csv
import io
import math
import resource
import time
from pathlib import Path

import torch
from ignite.engine import Engine, Events
from monai.engines.utils import IterationEvents

from ..atomic import write_atomically
from ..data.ordered import process_rank

SCORES_KEY = "scores"


class ScoresCsv:
    """Writes ``scores.csv``: one row per pair, and their mean as the last; cells without a value stay empty.

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
        for item in engine.state.output:
            row = {"name": str(item.get("name", len(self.rows))), **_known(item[SCORES_KEY])}
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
            write_atomically(self.path, lambda stream: stream.write(text.encode()))


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


def peak_memory_gib() -> float:
    """Most memory held so far: by this process, or on the current GPU where there is one."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**30
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
