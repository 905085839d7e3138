"""The scores of an evaluation as a file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ignite.engine import Engine, Events

from ..atomic import write_json
from ..data.ordered import process_rank


class MetricsJson:
    """Writes the metrics of an evaluator to ``metrics.json`` when the evaluation ends.

    Floats keep full precision, NaN becomes null, the file is replaced in one step and only by process 0.

    Args:
        output_dir: folder of the run.
        settings: name → value of what the reader must know: weights, data, seed.
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
        self, output_dir: str, settings: Mapping[str, Any] | None = None, filename: str = "metrics.json"
    ) -> None:
        self.path = Path(output_dir) / filename
        self.settings = dict(settings or {})

    def attach(self, engine: Engine) -> None:
        """Register with an evaluator.

        Args:
            engine: the evaluator.
        """
        engine.add_event_handler(Events.COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        """Write the file."""
        if process_rank() == 0:
            write_json(self.path, {"metrics": engine.state.metrics, "settings": self.settings})
