"""Labels of another run are taken over where they belong to the same pairs, and refused before anything is written."""

import json
from pathlib import Path

import pytest
import torch

from common.methods.self_training.store import IMAGE_PAIRS, PseudoLabelStore, foreign_labels

TRAIN = Path(__file__).parents[3] / "bundles" / "cyclical_self_training" / "configs" / "train.json"
SETTINGS = {"seed": 0, "num_pairs": 0, "strides": 1}
SAME = ("seed", "num_pairs")


def other_run(folder, count=2, **settings):
    """Folder of the fourth stage of a run."""
    store = PseudoLabelStore(folder / "other", count, SETTINGS | settings)
    store.open_stage(3, "its network")
    for pair in range(count):
        store.write(pair, torch.full((1,), float(pair)), 1.0 + pair)
    return folder / "other" / "stage_03"


def own(folder):
    return PseudoLabelStore(folder / "own", 2, SETTINGS)


def test_labels_of_the_same_pairs_are_opened_whatever_network_made_them(tmp_path):
    found = foreign_labels(str(other_run(tmp_path, strides=2)), own(tmp_path), SAME)
    assert (found.origin, found.stage, found.read(1).item()) == ("its network", 3, 1.0)
    assert not (tmp_path / "own").exists()


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"seed": 1}, "seed: expected 0, got 1"),
        ({"num_pairs": 2}, "num_pairs: expected 0, got 2"),  # as many, but others: a circle in place of all i < j
    ],
)
def test_labels_of_other_pairs_are_refused(tmp_path, settings, expected):
    with pytest.raises(ValueError, match=f"holds pseudo labels of other pairs: {expected}"):
        foreign_labels(other_run(tmp_path, **settings), own(tmp_path), SAME)


def test_labels_of_more_pairs_are_refused(tmp_path):
    with pytest.raises(ValueError, match="holds pseudo labels of other pairs: pairs: expected 2, got 3"):
        foreign_labels(other_run(tmp_path, count=3), own(tmp_path), SAME)


def test_labels_that_are_not_whole_are_refused(tmp_path):
    folder = other_run(tmp_path)
    (folder / "pair_00001.npy").unlink()
    with pytest.raises(ValueError, match="stage_03: expected labels of 2 pairs, 1 are missing"):
        foreign_labels(folder, own(tmp_path), SAME)


def test_a_folder_without_labels_and_a_renamed_one_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"expected a folder of pseudo labels, with run\.json, got none"):
        foreign_labels(tmp_path, own(tmp_path), SAME)
    renamed = other_run(tmp_path).rename(tmp_path / "other" / "copy")
    with pytest.raises(ValueError, match="copy: expected the name of its stage, stage_03"):
        foreign_labels(renamed, own(tmp_path), SAME)


def test_a_run_beyond_its_first_stage_needs_them_no_more(tmp_path):
    store = own(tmp_path)
    store.open_stage(1, "own network")
    assert foreign_labels(tmp_path / "gone", store, SAME) is None


def test_the_bundle_knows_every_setting_that_says_what_an_image_pair_is():
    content = json.loads(TRAIN.read_text(encoding="utf-8"))
    assert content["train"]["label_store"]["settings"] == ["@carried", "@train#label_settings"]
    assert set(IMAGE_PAIRS) <= content["carried"].keys() | content["train"]["label_settings"].keys()
