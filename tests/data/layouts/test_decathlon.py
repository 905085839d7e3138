"""The layout of the Medical Segmentation Decathlon."""

import json

import pytest

from common.data.layouts.decathlon import decathlon_splits, decathlon_subjects, decathlon_val_pairs


@pytest.fixture
def task(tmp_path):
    for name in "abc":
        for folder in ("imagesTr", "labelsTr"):
            (tmp_path / folder).mkdir(exist_ok=True)
            (tmp_path / folder / f"{name}.nii.gz").write_bytes(b"image")
    entries = [{"image": f"./imagesTr/{name}.nii.gz", "label": f"./labelsTr/{name}.nii.gz"} for name in "abc"]
    write(tmp_path / "dataset.json", {"training": entries, "test": ["./imagesTr/a.nii.gz"]})
    write(tmp_path / "splits.json", {"fit": ["c", "a"], "val": ["b"]})
    write(tmp_path / "val_pairs.json", {"pairs": [["a", "b"], ["c", "a"]]})
    return tmp_path


def write(path, content):
    path.write_text(json.dumps(content))


def test_subjects_have_names_and_absolute_paths(task):
    subjects = decathlon_subjects(task)
    assert [subject["subject"] for subject in subjects] == ["a", "b", "c"]
    assert subjects[1]["label"] == str(task / "labelsTr" / "b.nii.gz")


def test_the_test_section_has_no_labels(task):
    assert decathlon_subjects(task, section="test") == [{"subject": "a", "image": str(task / "imagesTr" / "a.nii.gz")}]


def test_a_part_of_the_split_keeps_the_order_of_the_data_set(task):
    assert [subject["subject"] for subject in decathlon_subjects(task, "fit")] == ["a", "c"]


def test_listed_pairs_are_fixed_then_moving(task):
    pair = decathlon_val_pairs(task)[1]
    assert (pair["fixed_subject"], pair["moving_subject"]) == ("c", "a")
    assert pair["moving_label"] == str(task / "labelsTr" / "a.nii.gz")


@pytest.mark.data
def test_the_real_hippocampus_set_reads(registration_data):
    folder = registration_data / "Task04_Hippocampus"
    assert [len(decathlon_subjects(folder, part)) for part in ("fit", "tune", "val", "")] == [145, 25, 40, 210]
    pairs = decathlon_val_pairs(folder)
    val = set(decathlon_splits(folder, "val"))
    assert len(pairs) == 50
    assert all({pair["fixed_subject"], pair["moving_subject"]} <= val for pair in pairs)


def test_an_unknown_part_or_section_is_refused(task):
    with pytest.raises(ValueError, match=r"splits\.json: there is no part 'fitt', did you mean 'fit'"):
        decathlon_subjects(task, "fitt")
    with pytest.raises(ValueError, match=r"dataset\.json: expected a non-empty list under the key 'trainin'"):
        decathlon_subjects(task, section="trainin")


def test_a_missing_description_or_label_is_named(task):
    (task / "labelsTr" / "b.nii.gz").unlink()
    with pytest.raises(FileNotFoundError, match=r"label of subject b: expected the file .*labelsTr/b\.nii\.gz"):
        decathlon_subjects(task)
    (task / "splits.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"splits\.json"):
        decathlon_splits(task, "fit")


def test_a_subject_in_two_parts_is_refused(task):
    write(task / "splits.json", {"fit": ["a", "b"], "val": ["b"]})
    with pytest.raises(ValueError, match=r"splits\.json: expected each subject once, got b more than once"):
        decathlon_subjects(task, "fit")


def test_a_split_that_names_an_unknown_subject_is_refused(task):
    write(task / "splits.json", {"fit": ["a", "x"]})
    with pytest.raises(ValueError, match="expected names among a, b, c; got x"):
        decathlon_subjects(task, "fit")


@pytest.mark.parametrize(
    ("pairs", "message"), [([["a", "x"]], "'x' is no subject"), ([["a"]], "expected pairs"), ([], "non-empty list")]
)
def test_pairs_of_another_form_are_refused(task, pairs, message):
    write(task / "val_pairs.json", {"pairs": pairs})
    with pytest.raises(ValueError, match=rf"val_pairs\.json: .*{message}"):
        decathlon_val_pairs(task)
