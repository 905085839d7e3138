"""The overlay of cyclical_self_training with the paper's constants, over every workflow."""

import pytest
from monai.bundle import ConfigParser

from tests.bundles.conftest import BUNDLES

PAPER = {"strides": [2, 1, 2, 1, 2], "spatial_shape": [192, 160, 256], "feature_scale": 5.0, "num_warps": 2}
WORKFLOWS = [["train.json"], ["train.json", "evaluate.json"], ["inference.json"]]


@pytest.mark.parametrize("files", WORKFLOWS, ids=lambda files: files[-1])
def test_the_papers_constants_hold_in_every_workflow_with_any_data(files):
    folder = BUNDLES / "cyclical_self_training" / "configs"
    parser = ConfigParser()
    parser.read_config([str(folder / name) for name in (*files, "abdomen.json")])
    parser["bundle_root"] = str(folder.parent)
    network = parser.get_parsed_content("network_def")
    assert (network.stride, network.feature_scale, network.radius) == (8, 5.0, 2)
    assert {name: parser.get_parsed_content(name) for name in PAPER} == PAPER
