"""The second file of weights of wasserstein_voxelmorph, trained by the paper's loss."""

import json

import pytest
from monai.bundle import ConfigParser

from common.data.subjects import hippocampus_pairs
from common.tools.comparison.our_tools import BundleTool
from common.tools.comparison.region_pair import RegionPair
from common.tools.packaging.weights import check_weights
from common.tools.results.record import read_rows, rows_of
from common.weights import read_weights, settings_of, weights_sha256
from tests.bundles.conftest import BUNDLES

BUNDLE = BUNDLES / "wasserstein_voxelmorph"
WEIGHTS = BUNDLE / "models" / "pswd.pt"
RESULTS = BUNDLES.parent / "docs" / "results" / "Task04_Hippocampus-val.json"


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


def test_it_is_the_file_of_this_version_and_the_one_that_was_scored():
    metadata = json.loads((BUNDLE / "configs" / "metadata.json").read_text(encoding="utf-8"))
    assert metadata["version"] in metadata["pswd_sha256"]
    check_weights(BUNDLE)
    scored = read_rows(RESULTS)["wasserstein_voxelmorph_pswd"]["settings"]["weights_sha256"]
    assert weights_sha256(WEIGHTS) == scored


@pytest.mark.data
def test_it_registers_a_pair_as_well_as_its_row_says(registration_data):
    pair = hippocampus_pairs(str(registration_data / "Task04_Hippocampus"), "val", 1)[0]
    found = RegionPair.read(pair)
    dice = found.scores(BundleTool(str(BUNDLE), str(WEIGHTS))(found.images))["dice"]
    rows = read_rows(RESULTS)
    before, row = (rows_of(rows[name]["scores"])[0]["dice"] for name in ("initial", "wasserstein_voxelmorph_pswd"))
    assert dice > before + 0.05  # 0.760 before
    assert dice == pytest.approx(row, abs=0.002)  # 0.834
