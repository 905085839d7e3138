"""A stopped training of mine_voxelmorph goes on to the same weights, statistics network and optimizer included."""

import shutil
from pathlib import Path

import pytest
import torch
from monai.bundle import ConfigWorkflow

BUNDLE = Path(__file__).parents[2] / "bundles" / "mine_voxelmorph"
SMALL = {
    "num_pairs": 2,
    "num_val_pairs": 1,
    "val_interval": 1,
    "spacing_mm": 8.0,
    "spatial_shape": [32, 32, 32],
}


def train(folder, **overrides):
    workflow = ConfigWorkflow(
        str(folder / "configs" / "train.json"), workflow_type="train", bundle_root=str(folder), **SMALL, **overrides
    )
    workflow.initialize()
    workflow.run()


def tensors(state):
    """Every tensor of a nested state, in order."""
    if isinstance(state, torch.Tensor):
        return [state]
    values = state.values() if isinstance(state, dict) else state if isinstance(state, list | tuple) else []
    return [tensor for value in values for tensor in tensors(value)]


@pytest.mark.slow
def test_resumed_training_equals_an_uninterrupted_one(tmp_path, monkeypatch):
    folder = shutil.copytree(BUNDLE, tmp_path / "bundle", ignore=shutil.ignore_patterns("runs"))
    monkeypatch.chdir(folder)
    train(folder, max_epochs=2, run_name="whole")
    train(folder, max_epochs=1, run_name="parts")
    train(folder, max_epochs=2, run_name="parts", resume=True)
    whole, parts = (
        torch.load(folder / "runs" / name / "training.pt", weights_only=True)["objects"] for name in ("whole", "parts")
    )
    assert {"network", "similarity", "optimizer", "scheduler"} <= whole.keys()
    for name in ("network", "similarity", "optimizer"):
        found = list(zip(tensors(whole[name]), tensors(parts[name]), strict=True))
        assert found
        assert all(torch.equal(one, two) for one, two in found)


@pytest.mark.slow
def test_a_falling_rate_is_not_stretched_on_resume(tmp_path, monkeypatch):
    folder = shutil.copytree(BUNDLE, tmp_path / "bundle", ignore=shutil.ignore_patterns("runs"))
    monkeypatch.chdir(folder)
    train(folder, max_epochs=1, run_name="parts", final_rate=0.02)
    with pytest.raises(RuntimeError) as caught:
        train(folder, max_epochs=2, run_name="parts", final_rate=0.02, resume=True)
    assert "epochs_of_the_falling_rate: expected 1, got 2" in str(caught.value.__cause__)
