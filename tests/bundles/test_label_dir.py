"""A student learns from the labels of a run with other strides."""

import pytest
import torch

BUNDLE = "cyclical_self_training"
SHORT = {
    "spatial_shape": [16, 24, 16],
    "crop": 1,
    "num_stages": 1,
    "epochs_per_stage": 1,
    "num_iterations": 2,
    "num_pairs": 2,
    "label_adam_iterations": 1,
    "num_tune_pairs": 1,
}


@pytest.fixture(scope="module")
def label_dir(run_bundle, tmp_path_factory):
    """Labels of a training with the strides of the sample run."""
    folder = tmp_path_factory.mktemp("coarse")
    run_bundle(BUNDLE, ["train.json"], folder, **SHORT)
    return folder / "pseudo_labels" / "stage_00"


def test_it_takes_those_labels_over(run_bundle, label_dir, tmp_path):
    fine = {"strides": [1, 1, 2, 1, 1], "label_dir": str(label_dir)}
    training = run_bundle(BUNDLE, ["train.json"], tmp_path, **SHORT, **fine)
    network = training.parser.get_parsed_content("network")
    for name in ("pair_00000.npy", "pair_00001.npy", "difficulty.json"):
        taken = tmp_path / "pseudo_labels" / "stage_00" / name
        assert taken.read_bytes() == (label_dir / name).read_bytes()
    assert (network.fine_stride, network.stride) == (1, 2)
    weights = torch.load(tmp_path / "model.pt", weights_only=True)
    assert weights["feature_extractor.trained_strides"].tolist() == [1, 1, 2, 1, 1]


def test_labels_on_another_grid_are_refused_before_anything_is_labeled(run_bundle, label_dir, tmp_path):
    with pytest.raises(RuntimeError, match="foreign_labels") as error:
        run_bundle(BUNDLE, ["train.json"], tmp_path, **SHORT, label_dir=str(label_dir), box_mm=[36, 56, 40])
    expected = "stage_00 holds pseudo labels of other pairs: box_mm: expected [36, 56, 40], got [40, 56, 40]"
    assert expected in str(error.value.__cause__)
    assert not (tmp_path / "pseudo_labels").exists()
