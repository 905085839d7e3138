"""Seconds per training epoch of a bundle, and the share of them spent waiting for data.

python scripts/studies/all/time_epoch.py mcd_pemd --dataset_dir data/MultiContrastBrain --warmup_epochs 0
"""

import tempfile
import time
from pathlib import Path

from ignite.engine import Engine, Events
from monai.bundle import ConfigWorkflow

from common.tools.command_line import run_command

BUNDLES = Path(__file__).resolve().parents[3] / "bundles"


class EpochClock:
    """Prints the seconds of each epoch from its first to its last iteration, and the share of them spent loading."""

    def attach(self, engine: Engine) -> None:
        """Register with a trainer."""
        engine.add_event_handler(Events.EPOCH_STARTED, self._begin)
        engine.add_event_handler(Events.GET_BATCH_STARTED, self._ask)
        engine.add_event_handler(Events.GET_BATCH_COMPLETED, self._take)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._end)

    def _begin(self, engine: Engine) -> None:
        self.start, self.loading = time.perf_counter(), 0.0

    def _ask(self, engine: Engine) -> None:
        self.asked = time.perf_counter()

    def _take(self, engine: Engine) -> None:
        self.loading += time.perf_counter() - self.asked

    def _end(self, engine: Engine) -> None:
        if engine.state.iteration % engine.state.epoch_length == 0:
            seconds = time.perf_counter() - self.start
            share = 100 * self.loading / seconds
            print(f"epoch {engine.state.epoch}: {seconds:.1f} s, {share:.1f} % of it loading", flush=True)


def time_epoch(bundle: str, dataset_dir: str = "", epochs: int = 2, **overrides) -> None:
    """Train a bundle for some epochs in a temporary folder and print what each took.

    Args:
        bundle: name of a folder in bundles/.
        dataset_dir: folder of the data; empty for the sample population.
        epochs: how many to train.
        **overrides: entries of the bundle's train.json.
    """
    root = BUNDLES / bundle
    with tempfile.TemporaryDirectory() as folder:
        fixed = {"bundle_root": str(root), "output_dir": folder, "dataset_dir": dataset_dir, "max_epochs": epochs}
        config = str(root / "configs" / "train.json")
        workflow = ConfigWorkflow(config, workflow_type="train", logging_file=False, **fixed, **overrides)
        workflow.initialize()
        EpochClock().attach(workflow.trainer)
        workflow.run()


if __name__ == "__main__":
    run_command(time_epoch)
