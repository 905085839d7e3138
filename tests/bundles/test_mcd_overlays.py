"""The overlays of mcd_pemd beside those that every bundle has."""

import json

import pytest
import torch

TINY = {"num_pairs": 4, "batch_size": 2, "num_val_pairs": 1, "num_sample_subjects": 2, "val_fraction": 0.5}


@pytest.fixture
def run(run_bundle):
    def run(folder, names, **overrides):
        run_bundle("mcd_pemd", names, folder, None, device=torch.device("cpu"), **TINY, **overrides)

    return run


def test_patches_in_space_train_125_classes(run, tmp_path):
    run(tmp_path, ["train.json", "patches_3d.json"], max_epochs=1, warmup_epochs=0)
    weights = torch.load(tmp_path / "model.pt", weights_only=True)
    assert weights["head.6.bias"].shape == (125,)
    run(tmp_path / "scores", ["train.json", "evaluate.json"], ckpt_path=str(tmp_path / "model.pt"))
    written = json.loads((tmp_path / "scores" / "metrics.json").read_text(encoding="utf-8"))
    assert 0 <= written["metrics"]["accuracy_multimodal"] <= 1


@pytest.mark.parametrize("similarity", ["ncc", "mi", "mind"])
def test_search_takes_the_place_of_the_network(run, tmp_path, similarity):
    run(tmp_path, ["train.json", "evaluate.json", "search.json"], similarity=similarity)
    written = json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))
    assert 0 <= written["metrics"]["accuracy_multimodal"] <= 1
    assert (written["settings"]["similarity"], written["settings"]["ckpt_path"]) == (similarity, None)


def test_the_scale_of_the_search_is_that_of_the_patches(run, tmp_path):
    run(tmp_path, ["train.json", "evaluate.json", "search.json", "patches_3d.json"], similarity="ncc")
    assert "confusion_multimodal" not in json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))["metrics"]
    assert len((tmp_path / "confusion_multimodal.csv").read_text(encoding="utf-8").splitlines()) == 125
