"""Layouts are recognized, and no subject is trained on and scored."""

import json
from pathlib import Path

import pytest

from common.methods.mine_voxelmorph.subjects import brain_subjects, with_atlas


@pytest.fixture
def heads(tmp_path):
    """Five empty heads in the multi-contrast layout; the last has no FLAIR."""
    entries = []
    for name in "abcde":
        entry = {"subject": name}
        for contrast in ("T1", "FLAIR") if name != "e" else ("T1",):
            (tmp_path / f"{name}_{contrast}.nii.gz").write_text("volume")
            entry[contrast] = f"{name}_{contrast}.nii.gz"
        entries.append(entry)
    (tmp_path / "dataset.json").write_text(json.dumps({"subjects": entries}))
    return str(tmp_path)


@pytest.fixture
def crops(tmp_path):
    for name in "ab":
        (tmp_path / f"{name}.nii.gz").write_text("volume")
    training = [{"image": f"{name}.nii.gz", "label": f"{name}.nii.gz"} for name in "ab"]
    (tmp_path / "dataset.json").write_text(json.dumps({"training": training}))
    (tmp_path / "splits.json").write_text(json.dumps({"fit": ["a"], "tune": [], "val": ["b"]}))
    return str(tmp_path)


def names(*arguments):
    return [subject["subject"] for subject in brain_subjects(*arguments)]


def test_named_heads_are_held_out(heads):
    assert names(heads, "val", ["T1"], ["b", "e"]) == ["b", "e"]
    assert names(heads, "fit", ["T1"], ["b", "e"]) == names(heads, "tune", ["T1"], ["b", "e"]) == ["a", "c", "d"]


def test_listed_parts_take_the_place_of_a_held_out_share(heads):
    listed = {"fit": ["a"], "tune": ["c"], "val": ["b", "d"]}
    (Path(heads) / "splits.json").write_text(json.dumps(listed))
    assert {part: names(heads, part, ["T1"]) for part in listed} == listed
    assert names(heads, "all", ["T1"]) == list("abcde")
    assert names(heads, "val", ["T1"], ["e"]) == ["e"]


def test_missing_contrast_is_named_with_its_subject(heads):
    with pytest.raises(ValueError, match="subject e has no FLAIR"):
        brain_subjects(heads, "fit", ["T1", "FLAIR"])


def test_decathlon_follows_its_splits_and_has_one_contrast(crops):
    assert names(crops, "val", ["T1"]) == ["b"]
    assert brain_subjects(crops, "fit", ["T1"])[0]["T1"].endswith("a.nii.gz")
    with pytest.raises(ValueError, match="expected contrast T1 of this layout, got FLAIR"):
        brain_subjects(crops, "fit", ["T1", "FLAIR"])


def test_one_labeled_scan_is_scored_and_not_trained_on(tmp_path):
    (tmp_path / "vol.nii.gz").touch()
    with pytest.raises(FileNotFoundError, match=r"expected seg\.nii\.gz beside vol\.nii\.gz"):
        brain_subjects(str(tmp_path), "val", ["T1"])
    (tmp_path / "seg.nii.gz").touch()
    (subject,) = brain_subjects(str(tmp_path), "val", ["T1"])
    assert subject["label"].endswith("seg.nii.gz")
    with pytest.raises(ValueError, match="expected part val of one labeled scan"):
        brain_subjects(str(tmp_path), "fit", ["T1"])
    with pytest.raises(ValueError, match="expected contrast T1 of this layout, got FLAIR"):
        brain_subjects(str(tmp_path), "val", ["T1", "FLAIR"])


def test_oasis_is_split_in_the_proportions_of_the_paper(tmp_path):
    for number in range(372):
        place = tmp_path / f"OASIS_OAS1_{number:04d}_MR1"
        place.mkdir()
        (place / "aligned_norm.nii.gz").touch()
    parts = {part: names(str(tmp_path), part, ["T1"]) for part in ("fit", "tune", "val")}
    assert [len(parts[part]) for part in parts] == [230, 24, 118]
    assert len({name for part in parts.values() for name in part}) == 372


def test_sessions_of_one_person_are_in_one_part(tmp_path):
    for number in range(10):
        for session in (1, 2, 3):
            place = tmp_path / f"OAS2_{number:04d}_MR{session}"
            place.mkdir()
            (place / "aligned_norm.nii.gz").touch()
    persons = [{name[:9] for name in names(str(tmp_path), part, ["T1"])} for part in ("fit", "tune", "val")]
    assert sum(map(len, persons)) == len(set.union(*persons)) == 10
    assert len(names(str(tmp_path), "all", ["T1"])) == 30


def test_an_atlas_comes_first_with_every_contrast(tmp_path):
    for name in ("atlas", "seg"):
        (tmp_path / f"{name}.nii.gz").write_text("volume")
    files = [str(tmp_path / f"{name}.nii.gz") for name in ("atlas", "seg")]
    atlas, subject = with_atlas([{"subject": "a"}], *files, ["T1", "FLAIR"], "atlas", "atlas.nii.gz")
    assert atlas == {"subject": "atlas", "T1": files[0], "FLAIR": files[0], "label": files[1]}
    assert subject == {"subject": "a"}
    with pytest.raises(FileNotFoundError, match="atlas_label: expected the file"):
        with_atlas([], files[0], "absent.nii.gz", ["T1"], "atlas", "atlas.nii.gz")


@pytest.mark.parametrize(
    ("image", "label", "pairing", "name", "message"),
    [
        ("a.nii.gz", "", "inter", "a.nii.gz", "expected pairing atlas beside it, got inter"),
        ("", "b.nii.gz", "atlas", "", "expected an atlas beside b.nii.gz, got none"),
        ("", "", "atlas", "a.nii.gz", "expected the file a.nii.gz of the training, or another one, got none"),
    ],
)
def test_an_atlas_that_does_not_fit_the_training_is_refused(image, label, pairing, name, message):
    with pytest.raises(ValueError, match=message):
        with_atlas([], image, label, ["T1"], pairing, name)


def test_sample_parts_share_no_subject():
    parts = [names("", part, ["T1", "FLAIR"]) for part in ("fit", "tune", "val")]
    assert [len(part) for part in parts] == [3, 1, 1]
    assert len({name for part in parts for name in part}) == 5


def test_unknown_part_is_refused():
    with pytest.raises(ValueError, match="part: expected one of fit, tune, val, all, got 'test'"):
        brain_subjects("", "test", ["T1"])
