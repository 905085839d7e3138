"""The overlay of cyclical_self_training with the paper's constants: their values, and a run of every workflow."""

import json
from traceback import format_exception

import nibabel
import numpy as np
import pytest
from monai.bundle import ConfigParser

from common.methods.cyclical_self_training.pairs import chosen_pairs
from common.weights import read_weights, settings_of
from tests.bundles.conftest import BUNDLES

BUNDLE = BUNDLES / "cyclical_self_training"
TRAIN, EVALUATE = ["train.json", "abdomen.json"], ["train.json", "evaluate.json", "abdomen.json"]
INFER = ["inference.json", "abdomen.json"]

# Bigalke et al., MICCAI 2023, and, where the text is silent, the authors' code beside it.
PAPER = {
    "input_kind": "ct",  # section 3.1: abdominal CT
    "spatial_shape": [192, 160, 256],  # code
    "spacing_mm": 2.0,  # section 3.1
    "strides": [2, 1, 2, 1, 2],  # code, of the five convolutions of section 2.3.1
    "radius": 2,  # section 2.3.1: 125 displacements, 5 along each axis
    "feature_scale": 5.0,  # code
    "couplings": [0.003, 0.03, 0.3],  # code
    "sharpness": 20.0,  # code
    "zero_border": True,  # code: means over neighbors count zeros beyond the border
    "num_warps": 2,  # table 1
    "num_consistency_iterations": 15,  # code
    "num_adam_iterations": 50,  # code
    "test_weight": 6.5,  # code: 0.65, times 10 at test time
    "adam_rate": 1.0,  # code
    "projection_channels": 32,  # code; the text has 16
    "normalize_features": False,  # code: the projected features as they are
    "adam_velocity": False,  # code: Adam moves displacements
    "adam_coarse_integration": False,  # of a velocity alone
    "fixed_border": False,  # code: the border moves too
    "num_refinement_steps": 0,  # no refinement on the images
    "num_structures": 13,  # section 3.1: organs of AbdomenCTCT
    "num_stages": 8,  # code
    "num_iterations": 1000,  # section 3.1
    "num_pairs": 0,  # section 3.1: all 190 pairs
    "all_scans": True,  # section 3.1: of 20 scans
    "label_adam_iterations": 50,  # code
    "label_weight": 0.65,  # code
    "label_refinement_steps": 0,  # no refinement on the images
    "crop": 8,  # code
}
SAME_FOR_ALL_DATA = {
    "batch_size": 2,  # section 3.1
    "start_rate": 1e-3,  # code
    "end_rate": 1e-5,  # code
    "optimizer_reset_interval": 4,  # code
    "label_stride": 2,  # code
}
SMALL = {"spatial_shape": [48, 40, 64]}
SHORT = {"num_stages": 1, "num_iterations": 2, "epochs_per_stage": 1, "num_pairs": 2, "num_tune_pairs": 1}


def content(name):
    return ConfigParser.load_config_file(str(BUNDLE / "configs" / name))


def test_every_constant_of_the_overlay_is_the_papers():
    assert {name: value for name, value in content("abdomen.json").items() if not name.startswith("_")} == PAPER
    assert len(chosen_pairs(20, PAPER["num_pairs"])) == 190


def test_what_the_overlay_leaves_is_the_papers_whatever_the_data():
    train = content("train.json")
    assert {name: train[name] for name in SAME_FOR_ALL_DATA} == SAME_FOR_ALL_DATA


@pytest.mark.parametrize("files", [TRAIN, EVALUATE, INFER], ids=lambda files: files[-2])
def test_the_papers_constants_hold_in_every_workflow_with_any_data(files):
    parser = ConfigParser()
    parser.read_config([str(BUNDLE / "configs" / name) for name in files])
    parser["bundle_root"] = str(BUNDLE)
    network = parser.get_parsed_content("network_def")
    assert (network.stride, network.feature_scale, network.radius) == (8, 5.0, 2)
    assert {name: parser.get_parsed_content(name) for name in PAPER} == PAPER


@pytest.fixture(scope="module")
def dataset_dir(tmp_path_factory):
    """Six scans of 13 organs in Learn2Reg's layout, every second moved by 4 mm; the last two are scored."""
    folder = tmp_path_factory.mktemp("AbdomenCTCT")
    label = np.kron(np.arange(14).reshape(7, 2, 1), np.ones((3, 8, 20))).astype(np.float32)
    images = []
    for number in range(6):
        labels = np.roll(np.pad(label, ((2, 2), (2, 2), (6, 6))), number % 2, axis=1)
        for place, volume in (("imagesTr", 30 * labels - 150), ("labelsTr", labels)):
            (folder / place).mkdir(exist_ok=True)
            image = nibabel.Nifti1Image(volume.astype(np.int16), np.diag([4.0, 4.0, 4.0, 1.0]))
            nibabel.save(image, folder / place / f"AbdomenCTCT_{number:04d}_0000.nii.gz")
        images.append(f"./imagesTr/AbdomenCTCT_{number:04d}_0000.nii.gz")
    pairs = [{"fixed": images[-2], "moving": images[-1]}]
    (folder / "dataset.json").write_text(json.dumps({"training": images, "registration_val": pairs}))
    return str(folder)


@pytest.fixture(scope="module")
def weights(run_bundle, dataset_dir, tmp_path_factory):
    folder = tmp_path_factory.mktemp("train")
    run_bundle(BUNDLE.name, TRAIN, folder, dataset_dir=dataset_dir, **SMALL, **SHORT)
    return str(folder / "model.pt")


def test_two_iterations_leave_finite_weights_of_the_papers_network(weights):
    state = read_weights(weights)
    assert all(value.isfinite().all() for value in state.values())
    assert state["feature_extractor.trained_strides"].tolist() == PAPER["strides"]
    assert settings_of(weights)["input_kind"] == "ct"


def test_a_training_is_evaluated_on_the_pairs_of_the_data_set(run_bundle, dataset_dir, weights, tmp_path):
    given = {"dataset_dir": dataset_dir, "ckpt_path": weights}
    run_bundle(BUNDLE.name, EVALUATE, tmp_path, None, **SMALL, **given)
    written = json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))
    assert written["settings"]["strides"] == PAPER["strides"]
    assert 0 < written["metrics"]["native_initial_dice"] < 1
    assert 0 < written["metrics"]["native_dice"] < 1


def test_a_pair_is_registered_by_these_weights(run_bundle, dataset_dir, weights, tmp_path):
    fixed, moving = (f"{dataset_dir}/imagesTr/AbdomenCTCT_{number:04d}_0000.nii.gz" for number in (4, 5))
    run_bundle(BUNDLE.name, INFER, tmp_path, None, **SMALL, fixed=fixed, moving=moving, ckpt_path=weights)
    warped = nibabel.load(next(tmp_path.rglob("warped.nii.gz")))
    assert warped.shape == nibabel.load(fixed).shape


def test_weights_of_another_network_are_refused_by_what_differs(run_bundle, dataset_dir, tmp_path):
    with pytest.raises(RuntimeError) as caught:
        run_bundle(BUNDLE.name, EVALUATE, tmp_path, None, **SMALL, dataset_dir=dataset_dir)
    causes = "".join(format_exception(caught.value))
    assert "strides: expected [1, 1, 2, 1, 1], with which these weights were trained, got [2, 1, 2, 1, 2]" in causes
    assert "feature_scale: expected 0.05" in causes
