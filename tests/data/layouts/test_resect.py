import nibabel
import numpy as np
import pytest
import torch

from common.data.layouts.resect import read_tag_landmarks, resect_pairs
from common.data.splits import fold_subjects
from common.metrics.landmarks import landmark_distance_mm

TAG = """MNI Tag Point File
Volumes = 2;
%Mon Jan 1
Points =
 1.0 2.0 3.0 1.5 2.0 3.0 ""
 -4.0 5.0 6.0 -4.0 5.0 9.0 "2";
"""


def write_case(folder, number):
    name = f"Case{number}"
    for part, stem in (("MRI", "T1"), ("MRI", "FLAIR"), ("US", "US-before")):
        path = folder / "NIFTI" / name / part / f"{name}-{stem}.nii.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        nibabel.save(nibabel.Nifti1Image(np.random.default_rng(number).random((4, 5, 6)), np.eye(4)), path)
    path = folder / "NIFTI" / name / "Landmarks" / f"{name}-MRI-beforeUS.tag"
    path.parent.mkdir()
    path.write_text(TAG)


def test_cases_come_in_the_order_of_their_numbers(tmp_path):
    for number in (10, 2, 1):
        write_case(tmp_path, number)
    pairs = resect_pairs(tmp_path)
    assert [pair["subject"] for pair in pairs] == ["Case1", "Case2", "Case10"]
    assert pairs[0]["fixed"].endswith("Case1-US-before.nii.gz")
    assert pairs[0]["moving"].endswith("Case1-T1.nii.gz")
    assert resect_pairs(tmp_path, "FLAIR")[0]["moving"].endswith("Case1-FLAIR.nii.gz")


def test_five_folds_hold_out_every_case_once(tmp_path):
    for number in range(1, 7):
        write_case(tmp_path, number)
    pairs = resect_pairs(tmp_path)
    held_out = [pair["subject"] for fold in range(5) for pair in fold_subjects(pairs, 5, fold)["val"]]
    assert sorted(held_out) == sorted(pair["subject"] for pair in pairs)


def test_tag_file_gives_both_clouds(tmp_path):
    (tmp_path / "a.tag").write_text(TAG)
    mri, ultrasound = read_tag_landmarks(tmp_path / "a.tag")
    assert mri.tolist() == [[1, 2, 3], [-4, 5, 6]]
    assert landmark_distance_mm(mri, ultrasound).tolist() == [0.5, 3.0]


@pytest.mark.data
def test_initial_error_is_that_of_the_data_set(resect_landmarks):
    errors = torch.stack([landmark_distance_mm(*points).mean() for points in resect_landmarks.values()])
    assert len(resect_landmarks) == 22
    assert errors.mean().item() == pytest.approx(5.41, abs=0.01)
    assert errors.std(correction=0).item() == pytest.approx(4.18, abs=0.01)


def test_missing_ultrasound_is_named(tmp_path):
    write_case(tmp_path, 1)
    (tmp_path / "NIFTI" / "Case1" / "US" / "Case1-US-before.nii.gz").unlink()
    with pytest.raises(FileNotFoundError, match=r"Case1-US-before\.nii\.gz"):
        resect_pairs(tmp_path)


def test_other_text_is_no_tag_file(tmp_path):
    (tmp_path / "a.tag").write_text("Points = 1 2 3;")
    with pytest.raises(ValueError, match="expected an MNI tag file"):
        read_tag_landmarks(tmp_path / "a.tag")
