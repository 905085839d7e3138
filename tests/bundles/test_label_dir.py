"""A student learns from the labels of a run with other strides."""

from pathlib import Path

import pytest
import torch
from monai.bundle import ConfigWorkflow

BUNDLE = Path(__file__).parents[2] / "bundles" / "cyclical_self_training"
SHORT = {
    "sample_spatial_shape": [16, 24, 16],
    "sample_crop": 1,
    "sample_num_stages": 1,
    "epochs_per_stage": 1,
    "sample_num_iterations": 2,
    "sample_num_pairs": 2,
    "label_adam_iterations": 1,
    "num_tune_pairs": 1,
}


def train(folder, **overrides):
    places = {"bundle_root": str(BUNDLE), "output_dir": str(folder)}
    config = str(BUNDLE / "configs" / "train.json")
    training = ConfigWorkflow(config, workflow_type="train", logging_file=False, **places, **SHORT, **overrides)
    training.initialize()
    training.run()
    return training


def test_it_takes_those_labels_over(tmp_path):
    train(tmp_path / "coarse")
    label_dir = tmp_path / "coarse" / "pseudo_labels" / "stage_00"
    fine = {"sample_strides": [1, 1, 2, 1, 1], "label_dir": str(label_dir)}
    network = train(tmp_path / "fine", **fine).parser.get_parsed_content("network")
    for name in ("pair_00000.npy", "pair_00001.npy", "difficulty.json"):
        taken = tmp_path / "fine" / "pseudo_labels" / "stage_00" / name
        assert taken.read_bytes() == (label_dir / name).read_bytes()
    assert (network.fine_stride, network.stride) == (1, 2)
    weights = torch.load(tmp_path / "fine" / "model.pt", weights_only=True)
    assert weights["feature_extractor.trained_strides"].tolist() == [1, 1, 2, 1, 1]


def test_labels_on_another_grid_are_refused_before_anything_is_labeled(tmp_path):
    train(tmp_path / "coarse")
    label_dir = tmp_path / "coarse" / "pseudo_labels" / "stage_00"
    with pytest.raises(RuntimeError, match="foreign_labels") as error:
        train(tmp_path / "fine", label_dir=str(label_dir), box_mm=[36, 56, 40])
    expected = "stage_00 holds pseudo labels of other pairs: box_mm: expected [36, 56, 40], got [40, 56, 40]"
    assert expected in str(error.value.__cause__)
    assert not (tmp_path / "fine" / "pseudo_labels").exists()
