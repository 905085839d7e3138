import json

import nibabel
import numpy as np
import pytest
import torch

from common.methods.cyclical_self_training_points.pairs import align_by_moments, keypoint_pairs, names_of_fold
from common.methods.cyclical_self_training_points.sample import sample_keypoint_pair


@pytest.fixture
def archives(tmp_path):
    for index, name in enumerate(["copd_01", "copd_02", "4dct_01"]):
        sample = sample_keypoint_pair(index, num_fixed=40, num_moving=50, num_landmarks=4)
        content = {"fixed_keypoints": sample["fixed_points"], "moving_keypoints": sample["moving_points"]}
        content["mm_per_unit"] = sample["mm_per_unit"]
        if name.startswith("copd"):
            content |= {key: sample[key] for key in ("fixed_landmarks", "moving_landmarks")}
        np.savez(tmp_path / f"{name}.npz", **{key: np.asarray(value) for key, value in content.items()})
    return str(tmp_path)


def names(pairs):
    return [pair["name"] for pair in pairs]


def test_prefixes_and_landmarks_choose_archives(archives):
    assert names(keypoint_pairs(archives)) == ["4dct_01", "copd_01", "copd_02"]
    assert names(keypoint_pairs(archives, ["4dct"])) == ["4dct_01"]
    assert names(keypoint_pairs(archives, with_landmarks=True)) == ["copd_01", "copd_02"]


def test_folds_part_the_pairs(archives):
    parts = [names(keypoint_pairs(archives, fold=1, num_folds=3, part=part)) for part in ("fit", "val")]
    assert parts == [["4dct_01", "copd_02"], ["copd_01"]]


def test_a_fold_is_the_same_with_and_without_landmarks(archives):
    folds = [keypoint_pairs(archives, with_landmarks=True, fold=fold, num_folds=3, part="val") for fold in (1, 2)]
    assert [names(fold) for fold in folds] == [["copd_01"], ["copd_02"]]
    held_out = names_of_fold(folds[0], 1)
    assert names(keypoint_pairs(archives, with_landmarks=True, held_out=held_out)) == ["copd_02"]
    with pytest.raises(ValueError, match="expected keypoint archives, got none"):
        keypoint_pairs(archives, with_landmarks=True, fold=0, num_folds=3, part="val")


def test_sample_population_needs_no_folder():
    pair = keypoint_pairs(num_sample_points=30)[0]
    assert pair["fixed_points"].shape == (30, 3)
    assert pair["moving_points"].shape == (60, 3)


# Voxel axes that run to superior, posterior, left, and to right, anterior, superior: columns of the affine.
SUPERIOR_FIRST = np.array([[0, 0, -1.0, 0], [0, -1.5, 0, 0], [2.0, 0, 0, 0], [0, 0, 0, 1]])
RIGHT_FIRST = np.diag([1.0, 1.5, 2.0, 1.0])


@pytest.mark.parametrize("affine", [SUPERIOR_FIRST, RIGHT_FIRST])
def test_learn2reg_tables_become_units_along_superior_posterior_left(tmp_path, affine):
    (tmp_path / "imagesTr").mkdir()
    (tmp_path / "keypointsTr").mkdir()
    own = np.array([[0, 0, 0], [10, 20, 30], [5, 5, 5], [1, 9, 3], [8, 12, 25]])
    voxels, shape = own, (11, 21, 31)
    if affine is RIGHT_FIRST:  # the same points of the same volume
        voxels, shape = np.stack([30 - own[:, 2], 20 - own[:, 1], own[:, 0]], axis=1), (31, 21, 11)
    for index in (0, 1):
        image = nibabel.Nifti1Image(np.zeros(shape, "int16"), affine)
        nibabel.save(image, tmp_path / "imagesTr" / f"Lung_0001_{index:04d}.nii.gz")
        np.savetxt(tmp_path / "keypointsTr" / f"Lung_0001_{index:04d}.csv", voxels, delimiter=",")
    pair = {key: f"./imagesTr/Lung_0001_{index:04d}.nii.gz" for index, key in enumerate(["fixed", "moving"])}
    (tmp_path / "dataset.json").write_text(json.dumps({"training_paired_images": [pair], "numPairedTraining": 1}))
    read = keypoint_pairs(str(tmp_path))[0]
    assert read["mm_per_unit"].tolist() == [10.0, 15.0, 15.0]
    expected = torch.tensor(own / [5.0, 10.0, 15.0] - 1).float().unique(dim=0)
    assert torch.allclose(read["fixed_points"], expected)


def test_moments_align_a_stretched_cloud_exactly():
    cloud = torch.rand(30, 3, generator=torch.Generator().manual_seed(0))
    target = cloud * torch.tensor([1.2, 0.9, 1.0]) - 0.1
    assert torch.allclose(align_by_moments(cloud, cloud, target), target, atol=1e-6)


def test_missing_folder_and_empty_choice_are_named(archives):
    with pytest.raises(FileNotFoundError, match="dataset_dir: expected a folder"):
        keypoint_pairs("/no/such/folder")
    with pytest.raises(ValueError, match="expected names that begin with lung, got none"):
        keypoint_pairs(archives, ["lung"])
    with pytest.raises(ValueError, match="expected part all, fit or val and a fold below 5"):
        keypoint_pairs(archives, fold=5)


def test_folds_are_alike_and_none_is_empty():
    sizes = [len(keypoint_pairs(fold=fold, num_folds=3, part="val", num_sample_points=60)) for fold in range(3)]
    assert sum(sizes) == 4
    assert min(sizes) == 1


def test_more_folds_than_pairs_are_refused():
    with pytest.raises(ValueError, match="num_folds: expected at most 4, the number of pairs to score, got 5"):
        keypoint_pairs(fold=4, num_folds=5, part="val", num_sample_points=60)


def test_pairs_that_are_scored_are_held_out_whatever_the_fold_cuts():
    names = names_of_fold(keypoint_pairs(fold=0, num_folds=4, part="val", num_sample_points=60), 0)
    fit = keypoint_pairs(fold=0, num_folds=2, part="fit", num_sample_points=60, held_out=names)
    assert [pair["name"] for pair in fit] == ["sample_01", "sample_02", "sample_03"]
