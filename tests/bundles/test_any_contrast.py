"""A stopped training of any_contrast goes on to the weights of one that was never stopped."""

import shutil
from pathlib import Path

import pytest
import torch
from ignite.engine import Events
from monai.bundle import ConfigWorkflow

BUNDLE = Path(__file__).parents[2] / "bundles" / "any_contrast"
SMALL = {
    "spatial_shape": [16, 16, 16],
    "num_pairs": 2,
    "num_val_pairs": 1,
    "val_interval": 2,
    "max_steps": 2,
    "num_greedy_iterations": 2,
    "max_epochs": 2,
}


def train(folder, stop_after=0, **overrides):
    """State of a training that is stopped after some iterations, 0 for never."""
    workflow = ConfigWorkflow(
        str(folder / "configs" / "train.json"), workflow_type="train", bundle_root=str(folder), **SMALL, **overrides
    )
    workflow.initialize()
    if stop_after:
        workflow.trainer.add_event_handler(Events.ITERATION_COMPLETED(once=stop_after), stop)
    workflow.run()
    return torch.load(folder / "runs" / overrides["run_name"] / "training.pt", weights_only=True)


class StoppedError(Exception):
    """What the test throws into a training."""


def stop(engine):
    raise StoppedError


def tensors(state):
    """Every tensor of a nested state, in order."""
    if isinstance(state, torch.Tensor):
        return [state]
    values = state.values() if isinstance(state, dict) else state if isinstance(state, list | tuple) else []
    return [tensor for value in values for tensor in tensors(value)]


def test_stopped_run_ends_as_an_uninterrupted_one(tmp_path, monkeypatch):
    folder = shutil.copytree(BUNDLE, tmp_path / "bundle", ignore=shutil.ignore_patterns("runs"))
    monkeypatch.chdir(folder)
    whole = train(folder, run_name="whole")
    with pytest.raises(RuntimeError):
        train(folder, stop_after=3, run_name="parts")
    parts = train(folder, run_name="parts", resume=True)
    assert whole["trainer"]["iteration"] == parts["trainer"]["iteration"] == 4
    for name in ("network", "averaged_network", "optimizer"):
        found = list(zip(tensors(whole["objects"][name]), tensors(parts["objects"][name]), strict=True))
        assert found
        assert all(torch.equal(one, two) for one, two in found)
