"""Two contrasts per subject, by the names of their files."""

import pytest

from common.data.layouts.sata import sata_subjects


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


@pytest.mark.parametrize(
    "names",
    [
        [
            "img/leg1_T1.nii.gz",
            "img/leg1_T2.nii.gz",
            "label/leg1_glm.nii.gz",
            "img/leg2_T1.nii.gz",
            "img/leg2_T2.nii.gz",
        ],
        ["leg1/T1.nii", "leg1/T2.nii", "leg1/label.nii", "leg2/T1.nii", "leg2/T2.nii"],
        ["T1-leg1.nii.gz", "t2-leg1.nii.gz", "leg1_T1_label.nii.gz", "T1-leg2.nii.gz", "T2-leg2.nii.gz"],
    ],
    ids=["one folder", "a folder each", "mixed"],
)
def test_files_of_a_subject_find_each_other(tmp_path, names):
    legs = sata_subjects(touch(tmp_path, *names))
    assert [leg["subject"] for leg in legs] == ["leg1", "leg2"]
    assert [sorted(leg) for leg in legs] == [["T1", "T2", "label", "subject"], ["T1", "T2", "subject"]]


def test_a_folder_of_one_subject_gives_it_its_name(tmp_path):
    (leg,) = sata_subjects(touch(tmp_path / "leg7", "T1.nii.gz", "T2.nii.gz", "label.nii.gz"))
    assert (leg["subject"], sorted(leg)) == ("leg7", ["T1", "T2", "label", "subject"])


def test_a_missing_contrast_and_a_second_file_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="expected images with T1 or T2 in their names"):
        sata_subjects(touch(tmp_path, "leg1.nii.gz"))
    with pytest.raises(ValueError, match="leg1 has no T2"):
        sata_subjects(touch(tmp_path, "leg1_T1.nii.gz"))
    with pytest.raises(ValueError, match="leg1: expected one file of T1, got"):
        sata_subjects(touch(tmp_path, "leg1_T2.nii.gz", "more/leg1_T1.nii.gz"))
