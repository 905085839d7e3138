"""The OASIS layout, with and without labels."""

import pytest

from common.data.layouts.oasis import is_oasis, oasis_subjects, person_of


@pytest.fixture
def folder(tmp_path):
    for number in (2, 1):
        place = tmp_path / f"OASIS_OAS1_000{number}_MR1"
        place.mkdir()
        for name in ("aligned_norm", "aligned_seg35"):
            (place / f"{name}.nii.gz").touch()
    return tmp_path


def test_subjects_come_sorted_with_image_and_label(folder):
    subjects = oasis_subjects(folder)
    assert [s["subject"] for s in subjects] == ["OASIS_OAS1_0001_MR1", "OASIS_OAS1_0002_MR1"]
    assert subjects[0]["T1"].endswith("0001_MR1/aligned_norm.nii.gz")
    assert subjects[0]["label"].endswith("aligned_seg35.nii.gz")


@pytest.mark.parametrize("name", ["OAS2_0007_MR2", "OASIS_OAS2_0007_MR1"])
def test_sessions_of_oasis_2_are_read(tmp_path, name):
    (tmp_path / name).mkdir()
    (tmp_path / name / "aligned_norm.nii.gz").touch()
    assert [s["subject"] for s in oasis_subjects(tmp_path)] == [name]
    assert person_of(name) == name[: name.index("_MR")]


def test_a_missing_label_file_is_no_label(folder):
    assert "label" not in oasis_subjects(folder, num_structures=4)[0]


def test_other_folders_are_not_in_this_layout(folder, tmp_path):
    assert is_oasis(folder)
    (tmp_path / "other").mkdir()
    assert not is_oasis(tmp_path / "other")
    with pytest.raises(FileNotFoundError, match="expected folders OASIS_OAS1"):
        oasis_subjects(tmp_path / "other")


def test_subject_without_image_is_named(folder):
    (folder / "OASIS_OAS1_0002_MR1" / "aligned_norm.nii.gz").unlink()
    with pytest.raises(FileNotFoundError, match="OASIS_OAS1_0002_MR1: expected its image"):
        oasis_subjects(folder)


def test_unknown_number_of_structures_is_refused(folder):
    with pytest.raises(ValueError, match="num_structures: expected one of 35, 4, got 24"):
        oasis_subjects(folder, 24)
