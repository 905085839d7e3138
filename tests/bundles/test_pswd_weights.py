"""The second file of weights of wasserstein_voxelmorph, trained by the paper's loss."""

from monai.bundle import ConfigParser

from common.weights import read_weights, settings_of
from tests.bundles.conftest import BUNDLES

BUNDLE = BUNDLES / "wasserstein_voxelmorph"
WEIGHTS = BUNDLE / "models" / "pswd.pt"


def test_it_knows_the_loss_it_was_trained_by():
    assert settings_of(WEIGHTS)["similarity"] == "pswd"
    assert settings_of(BUNDLE / "models" / "model.pt")["similarity"] == "mse"


def test_inference_takes_it_by_one_flag():
    parser = ConfigParser()
    parser.read_config(str(BUNDLE / "configs" / "inference.json"))
    parser.update({"bundle_root": str(BUNDLE), "ckpt_path": str(WEIGHTS)})
    parser.get_parsed_content("network_def").load_state_dict(read_weights(WEIGHTS))
    assert parser.get_parsed_content("num_passes") == 5
    assert WEIGHTS.stat().st_size < 25e6
