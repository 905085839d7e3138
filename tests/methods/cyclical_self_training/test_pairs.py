import json
import shutil
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch

from common.methods.cyclical_self_training.pairs import FixedPairs, chosen_pairs, fit_images, is_learn2reg, scored_pairs


def test_all_pairs_of_twenty_scans_are_the_papers_190():
    pairs = chosen_pairs(20)
    assert len(pairs) == 190
    assert all(i < j for i, j in pairs)


def test_a_circle_uses_every_subject_alike():
    pairs = chosen_pairs(10, 20)
    assert len(set(pairs)) == 20
    for side in (0, 1):
        assert sorted(pair[side] for pair in pairs) == sorted(list(range(10)) * 2)
    assert all(fixed != moving for fixed, moving in pairs)


def test_the_circle_follows_the_seed():
    assert chosen_pairs(10, 10, seed=1) == chosen_pairs(10, 10, seed=1) != chosen_pairs(10, 10, seed=2)


def test_more_pairs_than_there_are_is_an_error():
    with pytest.raises(ValueError, match="num_pairs: expected 0 to 6 for 3 subjects, got 7"):
        chosen_pairs(3, 7)


def test_images_of_different_shapes_are_an_error():
    subjects = [{"image": torch.zeros(1, 4, 4, 4)}, {"image": torch.zeros(1, 4, 4, 5)}]
    with pytest.raises(ValueError, match=r"pair 0: expected images of one shape, got \[1, 4, 4, 4\]"):
        FixedPairs(subjects)[0]


def test_pairs_have_structures_where_their_subjects_have_labels():
    subjects = [{"image": torch.full((1, 2, 2, 2), 9.0), "label": torch.full((1, 2, 2, 2), float(k))} for k in (1, 2)]
    pair = FixedPairs(subjects)[0]
    assert pair["structures"][:, 0, 0, 0].tolist() == [1.0, 2.0]
    assert set(FixedPairs([{"image": subject["image"]} for subject in subjects])[0]) == {"image"}


def test_labels_not_shaped_as_their_images_are_an_error():
    subjects = [{"image": torch.zeros(1, 4, 4, 4), "label": torch.zeros(1, 4, 4, 5)}] * 2
    with pytest.raises(ValueError, match=r"pair 0: expected labels shaped as their images, \[2, 4, 4, 4\], got"):
        FixedPairs(subjects)[0]


@pytest.fixture(params=["dataset.json", "AbdomenCTCT_dataset.json"])
def abdomen(tmp_path, request):
    """Ten scans with labels, of which registration_val pairs the last two."""
    return write_abdomen(tmp_path, 10, request.param)


def write_abdomen(folder, num_scans, name="dataset.json"):
    names = [f"AbdomenCTCT_{k:04d}_0000.nii.gz" for k in range(num_scans)]
    for place in ("imagesTr", "labelsTr"):
        (folder / place).mkdir()
        for file in names:
            nibabel.save(nibabel.Nifti1Image(np.zeros((2, 2, 2), np.float32), np.eye(4)), folder / place / file)
    images = [f"./imagesTr/{file}" for file in names]
    content = {
        "training": [{"image": f"./imagesTr/{file}", "label": f"./labelsTr/{file}"} for file in names],
        "registration_val": [{"fixed": images[-1], "moving": images[-2]}, {"fixed": images[-2], "moving": images[-1]}],
    }
    (folder / name).write_text(json.dumps(content))
    return str(folder)


def sides(pairs):
    return {pair[side] for pair in pairs for side in ("fixed", "moving")}


def test_learn2reg_layout_gives_images_to_train_on_without_labels(abdomen):
    assert is_learn2reg(abdomen)
    assert [set(subject) for subject in fit_images(abdomen)] == [{"subject", "image"}] * 6


def test_labels_to_train_on_come_only_when_asked_for(abdomen):
    assert [set(subject) for subject in fit_images(abdomen, with_labels=True)] == [{"subject", "image", "label"}] * 6


def test_a_subject_without_the_label_that_is_asked_for_is_an_error(abdomen):
    path = next(Path(abdomen).glob("*.json"))
    content = json.loads(path.read_text(encoding="utf-8"))
    content["training"] = [{"image": entry["image"]} for entry in content["training"]]
    path.write_text(json.dumps(content))
    shutil.rmtree(Path(abdomen) / "labelsTr")
    with pytest.raises(ValueError, match=r"needs a label of every subject to train on, .* has none"):
        fit_images(abdomen, with_labels=True)


def test_no_scored_scan_of_learn2reg_is_trained_on(abdomen):
    fit = {subject["image"] for subject in fit_images(abdomen)}
    tune, val = (sides(scored_pairs(abdomen, part)) for part in ("tune", "val"))
    assert [Path(file).name[12:16] for file in sorted(val)] == ["0008", "0009"]
    assert (len(fit), len(tune), len(val)) == (6, 2, 2)
    assert len(fit | tune | val) == 10


def test_all_scans_of_learn2reg_hold_those_of_tune_and_none_of_val(abdomen):
    fit = {subject["image"] for subject in fit_images(abdomen, all_scans=True)}
    assert len(fit) == 8
    assert sides(scored_pairs(abdomen, "tune")) < fit
    assert not sides(scored_pairs(abdomen, "val")) & fit


def test_pairs_of_either_part_of_learn2reg_have_labels(abdomen):
    for part in ("tune", "val"):
        pairs = scored_pairs(abdomen, part)
        assert len(pairs) == 2
        assert all({"fixed_label", "moving_label"} <= pair.keys() for pair in pairs)
        assert len(scored_pairs(abdomen, part, num_pairs=1)) == 1


def test_an_unknown_part_of_learn2reg_is_an_error(abdomen):
    with pytest.raises(ValueError, match="val_part: expected fit, tune or val with a Learn2Reg data set, got 'test'"):
        scored_pairs(abdomen, "test")


def test_too_few_scans_besides_the_scored_ones_are_an_error(tmp_path):
    with pytest.raises(ValueError, match=r"dataset\.json: expected at least 4 images under training .* got 3"):
        fit_images(write_abdomen(tmp_path, 5))


def test_a_folder_without_registration_val_is_not_learn2reg(tmp_path):
    (tmp_path / "dataset.json").write_text('{"training": []}')
    assert not is_learn2reg(str(tmp_path))
    assert not is_learn2reg("")
