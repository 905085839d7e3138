"""The multi-contrast layout."""

import json
from pathlib import Path

import pytest

from common.data.layouts.multi_contrast import multi_contrast_subjects


def write(folder, entries):
    (folder / "dataset.json").write_text(json.dumps({"subjects": entries}))
    for entry in entries:
        for contrast in entry.keys() - {"subject"}:
            (folder / entry[contrast]).write_bytes(b"image")


def test_subjects_come_in_order_with_absolute_paths_of_the_contrasts_asked_for(tmp_path):
    write(tmp_path, [{"subject": "b", "T1": "b1.nii", "T2": "b2.nii"}, {"subject": "a", "T1": "a1.nii"}])
    subjects = multi_contrast_subjects(tmp_path, ["T1"])
    assert [subject["subject"] for subject in subjects] == ["b", "a"]
    assert subjects[0] == {"subject": "b", "T1": str(tmp_path / "b1.nii")}


def test_a_label_comes_along_where_a_subject_has_one(tmp_path):
    write(tmp_path, [{"subject": "a", "T1": "a1.nii", "label": "a.nii"}, {"subject": "b", "T1": "b1.nii"}])
    labels = [subject.get("label") for subject in multi_contrast_subjects(tmp_path, ["T1"])]
    assert labels == [str(tmp_path / "a.nii"), None]
    (tmp_path / "a.nii").unlink()
    with pytest.raises(FileNotFoundError, match="label of subject a: expected the file"):
        multi_contrast_subjects(tmp_path, ["T1"])


@pytest.mark.data
def test_the_real_heads_read(registration_data):
    subjects = multi_contrast_subjects(registration_data / "MultiContrastBrain", ("T1", "T2", "FLAIR"))
    assert len(subjects) == 5
    assert all(Path(subject[contrast]).is_file() for subject in subjects for contrast in ("T1", "T2", "FLAIR"))


def test_a_subject_without_a_contrast_is_named_with_what_it_has(tmp_path):
    write(tmp_path, [{"subject": "ms07", "T1": "1.nii", "FLAIR": "3.nii"}])
    with pytest.raises(ValueError, match=r"dataset\.json: subject ms07 has no T2, it has T1, FLAIR"):
        multi_contrast_subjects(tmp_path, ("T1", "T2"))


def test_an_empty_and_a_missing_folder_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"expected the file .*dataset\.json, but the folder .* is empty"):
        multi_contrast_subjects(tmp_path, ("T1",))
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*absent"):
        multi_contrast_subjects(tmp_path / "absent", ("T1",))


def test_a_listed_file_that_is_missing_or_empty_is_named(tmp_path):
    write(tmp_path, [{"subject": "a", "T1": "1.nii"}])
    (tmp_path / "1.nii").write_bytes(b"")
    with pytest.raises(ValueError, match=r"T1 of subject a: .* empty file .*1\.nii"):
        multi_contrast_subjects(tmp_path, ("T1",))
    (tmp_path / "1.nii").unlink()
    with pytest.raises(FileNotFoundError, match=r"T1 of subject a: expected the file .*1\.nii"):
        multi_contrast_subjects(tmp_path, ("T1",))


def test_a_subject_listed_twice_is_named(tmp_path):
    write(tmp_path, [{"subject": "a", "T1": "1.nii"}] * 2)
    with pytest.raises(ValueError, match="expected each subject once, got a more than once"):
        multi_contrast_subjects(tmp_path, ("T1",))


@pytest.mark.parametrize("content", ["no json", "[]", '{"training": []}', '{"subjects": []}', '{"subjects": [3]}'])
def test_another_layout_is_refused(tmp_path, content):
    (tmp_path / "dataset.json").write_text(content)
    with pytest.raises(ValueError, match=r"dataset\.json: expected"):
        multi_contrast_subjects(tmp_path, ("T1",))


def test_one_contrast_instead_of_a_list_is_refused(tmp_path):
    with pytest.raises(TypeError, match="expected a list of names"):
        multi_contrast_subjects(tmp_path, "T1")
