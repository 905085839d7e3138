"""A training that starts from given weights."""

from pathlib import Path

import pytest
import torch
from monai.bundle import ConfigWorkflow

BUNDLES = Path(__file__).parents[2] / "bundles"
STILL = 1e-12  # a learning rate that moves nothing
SHORT = {
    "wasserstein_voxelmorph": {
        "learning_rate": STILL,
        "num_pairs": 4,
        "max_epochs": 1,
        "num_tune_pairs": 1,
        "num_projections": 4,
    },
    "cyclical_self_training": {
        "start_rate": STILL,
        "end_rate": STILL,
        "num_stages": 1,
        "epochs_per_stage": 1,
        "num_iterations": 1,
        "num_pairs": 2,
        "label_adam_iterations": 1,
        "num_tune_pairs": 1,
    },
    "mcd_pemd": {
        "learning_rate": STILL,
        "num_pairs": 4,
        "batch_size": 4,
        "num_val_pairs": 4,
        "num_sample_subjects": 2,
        "val_fraction": 0.5,
        "max_epochs": 1,
    },
}


def workflow(bundle, folder, **overrides):
    config = BUNDLES / bundle / "configs" / "train.json"
    places = {"bundle_root": str(BUNDLES / bundle), "output_dir": str(folder)}
    return ConfigWorkflow(
        str(config), workflow_type="train", logging_file=False, **places, **SHORT[bundle], **overrides
    )


@pytest.mark.parametrize("bundle", SHORT)
def test_the_network_begins_with_the_given_weights(bundle, tmp_path):
    random = workflow(bundle, tmp_path)
    random.initialize()
    network = random.parser.get_parsed_content("network_def")
    given = {name: value + 0.01 for name, value in network.named_parameters()}
    torch.save(network.state_dict() | given, tmp_path / "given.pt")
    training = workflow(bundle, tmp_path / "run", init_path=str(tmp_path / "given.pt"))
    training.initialize()
    training.run()
    for name, value in training.parser.get_parsed_content("network").named_parameters():
        torch.testing.assert_close(value.cpu(), given[name], atol=1e-6, rtol=0)
    kept = torch.load(tmp_path / "run" / "model.pt", weights_only=True)
    for name, value in given.items():
        torch.testing.assert_close(kept[name], value, atol=1e-6, rtol=0)
