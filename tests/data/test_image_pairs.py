import json

import nibabel
import numpy as np
import pytest
import torch

from common.data.image_pairs import FixedPairs, chosen_pairs, fit_images, is_learn2reg, scored_pairs


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


def test_learn2reg_layout_gives_its_training_images_and_its_pairs(tmp_path):
    names = [f"imagesTr/AbdomenCTCT_{k:04d}_0000.nii.gz" for k in range(1, 4)]
    (tmp_path / "imagesTr").mkdir()
    for name in names:
        nibabel.save(nibabel.Nifti1Image(np.zeros((2, 2, 2), np.float32), np.eye(4)), tmp_path / name)
    content = {
        "training": [{"image": name, "label": name} for name in names[:2]],
        "registration_val": [{"fixed": names[2], "moving": names[0]}],
    }
    (tmp_path / "dataset.json").write_text(json.dumps(content))
    assert is_learn2reg(str(tmp_path))
    assert [set(subject) for subject in fit_images(str(tmp_path))] == [{"subject", "image"}] * 2  # labels are left out
    assert scored_pairs(str(tmp_path))[0]["fixed"].endswith("0003_0000.nii.gz")
