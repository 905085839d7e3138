"""The scores of every validation of a training as a file, for curves and for the epoch at which it ended."""

import json
import math
from pathlib import Path

from ignite.engine import Engine, Events

from ..atomic import write_json
from ..data.ordered import process_rank


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
        earlier = json.loads(self.path.read_text()) if self.path.is_file() else []
        scores = {name: value for name, value in engine.state.metrics.items() if isinstance(value, int | float)}
        scores = {name: value if math.isfinite(value) else None for name, value in scores.items()}
        write_json(self.path, [*(row for row in earlier if row["epoch"] < epoch), {"epoch": epoch, **scores}])
