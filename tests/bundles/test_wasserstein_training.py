"""Trainings of wasserstein_voxelmorph on a tiny folder: stopped and resumed, and by two processes, they end alike.

In float32: bfloat16 (amp) rounds what two processes and one add up in another order.
"""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.bundle import ConfigWorkflow

from tests.tools.comparison.blobs import CENTERS, blob

CONFIGS = Path(__file__).parents[2] / "bundles" / "wasserstein_voxelmorph" / "configs"
SMALL = {
    "spatial_shape": [16, 16, 16],
    "pad_mm": 32,
    "box_mm": [20, 24, 22],
    "num_pairs": 4,
    "batch_size": 2,
    "num_tune_pairs": 2,
    "num_projections": 8,
    "amp": False,
}
TWO_EPOCHS = {"max_epochs": 2}


@pytest.fixture(scope="module")
def dataset_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "Task99_Blob"
    entries = []
    for name in CENTERS:
        entries.append({key: f"./{key}sTr/{name}.nii.gz" for key in ("image", "label")})
        for file, volume in zip(entries[-1].values(), blob(name), strict=True):
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            nib.save(nib.Nifti1Image(volume, np.eye(4)), folder / file)
    (folder / "dataset.json").write_text(json.dumps({"training": entries}))
    (folder / "splits.json").write_text(json.dumps({"fit": ["a", "b"], "tune": ["c", "d"]}))
    return str(folder)


def train(dataset_dir, folder, **overrides):
    places = {"bundle_root": str(CONFIGS.parent), "output_dir": str(folder), "dataset_dir": dataset_dir}
    workflow = ConfigWorkflow(
        str(CONFIGS / "train.json"), workflow_type="train", logging_file=False, **places, **SMALL, **overrides
    )
    workflow.initialize()
    workflow.run()
    return results(folder)


def results(folder):
    """Weights of the best epoch as one tensor, and the validations."""
    state = torch.load(folder / "model.pt", weights_only=True)
    rows = json.loads((folder / "convergence.json").read_text(encoding="utf-8"))
    return torch.cat([value.flatten() for value in state.values()]), rows


@pytest.fixture(scope="module")
def whole(dataset_dir, tmp_path_factory):
    return train(dataset_dir, tmp_path_factory.mktemp("whole"), max_epochs=3)


def test_stopped_and_resumed_training_equals_uninterrupted_training(dataset_dir, whole, tmp_path):
    train(dataset_dir, tmp_path, max_epochs=1)
    weights, rows = train(dataset_dir, tmp_path, max_epochs=3, resume=True)
    assert rows == whole[1]
    assert torch.equal(weights, whole[0])


def test_every_epoch_stands_once_in_the_convergence(whole):
    assert [row["epoch"] for row in whole[1]] == [1, 2, 3]
    assert len({row["loss"] for row in whole[1]}) == 3


@pytest.fixture(scope="module")
def descent(dataset_dir, tmp_path_factory):
    """Starting weights, and the training from there by plain gradient descent: Adam would magnify rounding."""
    optimizer = {"_target_": "torch.optim.SGD", "params": "$@network.parameters()", "lr": "@learning_rate"}
    still = train(dataset_dir, tmp_path_factory.mktemp("still"), optimizer=optimizer, learning_rate=0.0, **TWO_EPOCHS)
    options = {"optimizer": optimizer, "learning_rate": 1.0, **TWO_EPOCHS}
    return still[0], train(dataset_dir, tmp_path_factory.mktemp("one"), **options), options


def train_with_two_processes(dataset_dir, folder, **overrides):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    files = [str(CONFIGS / name) for name in ("train.json", "multi_gpu_train.json")]
    places = {"bundle_root": str(CONFIGS.parent), "output_dir": str(folder / "run"), "dataset_dir": dataset_dir}
    arguments = {"config_file": files, "run_id": "training", **places, **SMALL, **overrides}
    (folder / "arguments.json").write_text(json.dumps(arguments))
    command = [sys.executable, "-m", "monai.bundle", "run", "--args_file", str(folder / "arguments.json")]
    environment = os.environ | {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    environment |= {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    processes = [
        subprocess.Popen(command, cwd=folder, env=environment | {"RANK": str(rank), "LOCAL_RANK": str(rank)})
        for rank in range(2)
    ]
    try:
        assert [process.wait(timeout=600) for process in processes] == [0, 0]
    finally:
        for process in processes:
            process.kill()
    return results(folder / "run")


@pytest.mark.slow
def test_two_processes_equal_one(dataset_dir, descent, tmp_path):
    start, (weights, rows), options = descent
    two_weights, two_rows = train_with_two_processes(dataset_dir, tmp_path, **options)
    moved = (weights - start).norm()
    assert moved > 1e-2
    assert (two_weights - weights).norm() / moved < 3e-5
    assert [row["epoch"] for row in two_rows] == [1, 2]
    assert [row["loss"] for row in two_rows] == pytest.approx([row["loss"] for row in rows], rel=1e-5)
