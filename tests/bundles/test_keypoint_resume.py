"""A stopped training of the keypoint bundle goes on to the weights of one that was never stopped."""

import shutil
from pathlib import Path

import pytest
import torch
from ignite.engine import Events
from monai.bundle import ConfigWorkflow

BUNDLE = Path(__file__).parents[2] / "bundles" / "cyclical_self_training_points"
SMALL = {"num_sample_points": 60, "num_candidates": 16, "num_train_fixed": 50, "num_train_moving": 100}


class StoppedError(Exception):
    """What the test throws into a training."""


def train(folder, stop_after=0, **overrides):
    workflow = ConfigWorkflow(
        str(folder / "configs" / "train.json"), workflow_type="train", logging_file=False, **SMALL, **overrides
    )
    workflow.initialize()
    if stop_after:
        workflow.trainer.add_event_handler(Events.ITERATION_COMPLETED(once=stop_after), stop)
    workflow.run()
    return torch.load(folder / "runs" / "train" / "model.pt", weights_only=True)


def stop(engine):
    raise StoppedError


@pytest.mark.slow
@pytest.mark.parametrize("stop_after", [2, 4])
def test_stopped_run_ends_as_an_uninterrupted_one(stop_after, tmp_path, monkeypatch):
    folders = [tmp_path / name for name in ("whole", "parted")]
    for folder in folders:
        shutil.copytree(BUNDLE, folder, ignore=shutil.ignore_patterns("runs"))
    monkeypatch.chdir(folders[0])
    whole = train(folders[0])
    monkeypatch.chdir(folders[1])
    with pytest.raises(RuntimeError):
        train(folders[1], stop_after)
    parted = train(folders[1], resume=True)
    assert whole.keys() == parted.keys()
    assert all(torch.equal(whole[name], parted[name]) for name in whole)
