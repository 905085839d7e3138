"""The supervised baseline of cyclical_self_training, and that nothing else sees labels of the fit part."""

from pathlib import Path

import pytest
import torch
from monai.bundle import ConfigParser

CONFIG = Path(__file__).parents[2] / "bundles" / "cyclical_self_training" / "configs" / "train.json"


def sample_of(supervision, folder):
    """Parser of a training and its first sample, with an empty pseudo label."""
    parser = ConfigParser(ConfigParser.load_config_file(CONFIG))
    parser.update({"supervision": supervision, "output_dir": str(folder), "num_pairs": 2, "augment": False})
    torch.manual_seed(0)
    draws = parser.get_parsed_content("train#dataset")
    draws.set_stage(lambda pair: torch.zeros(3, 20, 28, 20), torch.ones(2))
    return parser, draws[0]


def test_labels_of_the_fit_part_reach_the_loss(tmp_path):
    parser, sample = sample_of("supervised", tmp_path)
    assert sample["structures"].shape == sample["image"].shape
    assert set(sample["structures"].unique().tolist()) == {0.0, 1.0, 2.0}
    network, loss = parser.get_parsed_content("network"), parser.get_parsed_content("loss")
    batch = {key: value[None] for key, value in sample.items()}
    fixed, moving = batch["structures"].split(1, dim=1)
    apart = batch | {"structures": torch.cat([fixed, moving.roll(12, dims=2)], dim=1)}
    assert loss(network, batch).item() + 0.05 < loss(network, apart).item()


@pytest.mark.parametrize("supervision", ["pseudo_label", "mind", "ncc"])
def test_nothing_else_sees_labels_of_the_fit_part(supervision, tmp_path):
    parser, sample = sample_of(supervision, tmp_path)
    assert set(sample) == {"image", "label"}
    assert not any("label" in key for key in parser.get_parsed_content("train#pairs").subjects[0])
