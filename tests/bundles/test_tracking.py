"""A run of each bundle that `--tracking mlflow` records."""

import json
import math
import shutil
from pathlib import Path

import pytest
from monai.bundle import run

ROOT = Path(__file__).parents[2]
BUNDLES = sorted(path.parent.parent.name for path in ROOT.glob("bundles/*/configs/metadata.json"))
OVERRIDES = json.loads(Path(__file__).with_name("overrides.json").read_text(encoding="utf-8"))
NUMBERS_ALONE = {"mcd_pemd": {"confusion": False}}


@pytest.mark.slow
@pytest.mark.parametrize("name", BUNDLES)
def test_a_training_stands_in_the_store_of_mlflow(name, tmp_path):
    mlflow = pytest.importorskip("mlflow")
    copy, store = tmp_path / name, f"sqlite:///{tmp_path}/mlruns.db"
    shutil.copytree(ROOT / "bundles" / name, copy, ignore=shutil.ignore_patterns("runs"))
    places = {"bundle_root": str(copy), "tracking_uri": store, "experiment_name": name}
    config = str(copy / "configs" / "train.json")
    small = OVERRIDES[name]["train"] | NUMBERS_ALONE.get(name, {})
    run("training", config_file=config, tracking="mlflow", **places, **small)
    client = mlflow.MlflowClient(tracking_uri=store)
    (kept,) = client.search_runs(client.get_experiment_by_name(name).experiment_id)
    assert kept.info.status == "FINISHED"
    assert kept.info.run_name == "train"
    assert math.isfinite(kept.data.metrics["train_loss"])
    assert [path.name for path in (copy / "runs").iterdir()] == ["train"]
    assert [artifact.path[:7] for artifact in client.list_artifacts(kept.info.run_id)] == ["config_"]
