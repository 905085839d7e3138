"""The dataset JSON of Learn2Reg."""

import json

import pytest

from common.data.layouts.learn2reg import learn2reg_pairs, learn2reg_subjects


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"content")


@pytest.fixture
def content(tmp_path):
    images = [f"imagesTr/NLST_000{subject}_000{phase}.nii.gz" for subject in (1, 2) for phase in (0, 1)]
    touch(tmp_path, *images)
    pairs = [{"fixed": f"./{images[0]}", "moving": f"./{images[1]}"}, {"fixed": images[2], "moving": images[3]}]
    return {
        "numPairedTraining": 1,
        "training": [{"image": f"./{images[0]}", "mask": "./other/mask.nii.gz"}, {"image": images[1]}],
        "training_paired_images": pairs[:1],
        "registration_val": pairs[1:],
        "registration_test": pairs,
    }


def write(folder, content, name="dataset.json"):
    touch(folder, "other/mask.nii.gz")
    (folder / name).write_text(json.dumps(content))
    return folder


@pytest.mark.parametrize(
    ("section", "count"), [("training_paired_images", 1), ("registration_val", 1), ("registration_test", 2)]
)
def test_every_section_gives_its_pairs(tmp_path, content, section, count):
    pairs = learn2reg_pairs(write(tmp_path, content), section)
    assert len(pairs) == count
    assert pairs[-1]["moving"].endswith("_0001.nii.gz")


def test_labels_and_points_follow_from_the_naming_where_they_exist(tmp_path, content):
    touch(
        tmp_path, "labelsTr/NLST_0002_0000.nii.gz", "keypointsTr/NLST_0002_0001.csv", "landmarksTr/NLST_0002_0001.csv"
    )
    (pair,) = learn2reg_pairs(write(tmp_path, content))
    assert pair["fixed_label"] == str(tmp_path / "labelsTr" / "NLST_0002_0000.nii.gz")
    assert pair["moving_points"] == str(tmp_path / "keypointsTr" / "NLST_0002_0001.csv")
    assert pair.keys() == {"fixed", "moving", "fixed_label", "moving_points", "moving_landmarks"}


def test_a_listed_companion_wins_over_the_naming(tmp_path, content):
    touch(tmp_path, "masksTr/NLST_0001_0000.nii.gz")
    (pair,) = learn2reg_pairs(write(tmp_path, content), "training_paired_images")
    assert pair["fixed_mask"] == str(tmp_path / "other" / "mask.nii.gz")


def test_subjects_are_the_training_images(tmp_path, content):
    first, second = learn2reg_subjects(write(tmp_path, content))
    assert first["subject"] == "NLST_0001_0000"
    assert first.keys() == {"subject", "image", "mask"}
    assert second.keys() == {"subject", "image"}


def test_a_json_of_another_name_is_found_in_the_folder_and_can_be_named(tmp_path, content):
    folder = write(tmp_path, content, "NLST_dataset.json")
    assert learn2reg_pairs(folder) == learn2reg_pairs(folder / "NLST_dataset.json")


def test_two_json_files_must_be_told_apart(tmp_path, content):
    write(tmp_path, content, "a_dataset.json")
    write(tmp_path, content, "b_dataset.json")
    with pytest.raises(ValueError, match=r"a_dataset\.json, b_dataset\.json; name the file"):
        learn2reg_pairs(tmp_path)


def test_an_unknown_section_is_refused_with_the_likely_one(tmp_path, content):
    with pytest.raises(ValueError, match="no section 'registration_vall', did you mean 'registration_val'"):
        learn2reg_pairs(write(tmp_path, content), "registration_vall")


def test_a_number_of_pairs_other_than_stated_is_refused(tmp_path, content):
    with pytest.raises(ValueError, match=r"dataset\.json: expected 3 pairs \(numPairedTraining\).* got 1"):
        learn2reg_pairs(write(tmp_path, content | {"numPairedTraining": 3}), "training_paired_images")


def test_a_missing_image_mask_or_json_is_named(tmp_path, content):
    write(tmp_path, content)
    (tmp_path / "other" / "mask.nii.gz").unlink()
    with pytest.raises(FileNotFoundError, match=r"mask of NLST_0001_0000\.nii\.gz: expected the file .*mask\.nii\.gz"):
        learn2reg_pairs(tmp_path)
    (tmp_path / "imagesTr" / "NLST_0001_0000.nii.gz").unlink()
    with pytest.raises(FileNotFoundError, match=r"image of training: expected the file .*NLST_0001_0000"):
        learn2reg_pairs(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"dataset\.json, but there is no folder"):
        learn2reg_pairs(tmp_path / "absent" / "dataset.json")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"registration_val": [{"fixed": "a.nii.gz"}]}, "the keys fixed and moving"),
        ({"registration_val": []}, "got an empty list"),
        ({"training": [{"mask": "a.nii.gz"}]}, "the key image"),
    ],
)
def test_entries_of_another_form_are_refused(tmp_path, content, change, message):
    with pytest.raises(ValueError, match=rf"dataset\.json: expected .*{message}"):
        learn2reg_pairs(write(tmp_path, content | change))
