"""How the tests of this folder run a bundle."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from monai.bundle import ConfigWorkflow

BUNDLES = Path(__file__).parents[2] / "bundles"


@pytest.fixture(scope="session")
def run_bundle() -> Callable[..., ConfigWorkflow]:
    """`run_bundle("mcd_pemd", ["train.json"], folder, max_epochs=1)` runs configs of a bundle."""

    def run(bundle: str, files: Sequence[str], folder: Path, kind: str | None = "train", **overrides) -> ConfigWorkflow:
        configs = [str(BUNDLES / bundle / "configs" / name) for name in files]
        places = {"bundle_root": str(BUNDLES / bundle), "output_dir": str(folder)}
        workflow = ConfigWorkflow(configs, workflow_type=kind, logging_file=False, **places | overrides)
        workflow.initialize()
        workflow.run()
        return workflow

    return run
