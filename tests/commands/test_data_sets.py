"""The data sets of the papers: every one is listed, and read from a folder generated in its layout."""

import json
import re
import zipfile

import nibabel as nib
import numpy as np
import pytest

from common.commands import prepare
from common.commands.data_sets import DATA_SETS
from common.data.subjects import hippocampus_pairs, hippocampus_subjects
from common.methods.cyclical_self_training.pairs import fit_images, scored_pairs
from common.methods.mcd_pemd.domains import contrast_subjects

PAPERS = (
    "SATA",
    "Task04",
    "HippocampusMR",
    "CuRIOUS",
    "RESECT",
    "OASIS-1",
    "OASIS-2",
    "ADNI",
    "AbdomenCTCT",
    "DIR-Lab",
)


def test_every_set_of_the_papers_is_listed_with_terms_and_layout():
    text = prepare.list_sets()
    assert all(name in text for name in PAPERS)
    assert text.count("  licence  ") == text.count("  layout   ") == text.count("  by hand  ") == len(DATA_SETS)
    assert max(map(len, text.splitlines())) <= 120


def test_the_commands_that_the_list_names_exist():
    named = {words for entry in DATA_SETS for words in re.findall(r"(?:then|;) ([a-z2]+) --\w+", entry.steps)}
    assert named == {"sata", "hippocampus", "learn2reg", "folder", "dirlab", "limb"}
    assert named <= prepare.DATA_SETS.keys()


def archive(path, task, num_images, val):
    names = [f"{task}_{number:04d}_0000.nii.gz" for number in range(1, num_images + 1)]
    content = {
        "training": [{"image": f"./imagesTr/{name}", "label": f"./labelsTr/{name}"} for name in names],
        "registration_val": [{"fixed": f"./imagesTr/{names[i]}", "moving": f"./imagesTr/{names[j]}"} for i, j in val],
    }
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(f"{task}/{task}_dataset.json", json.dumps(content))
        for folder in ("imagesTr", "labelsTr"):
            for name in names:
                file.writestr(f"{task}/{folder}/{name}", "volume")
    return str(path)


def test_hippocampus_mr_becomes_parts_that_the_wasserstein_bundle_reads(tmp_path):
    path = archive(tmp_path / "set.zip", "HippocampusMR", 20, [(0, 1)])
    prepare.learn2reg("HippocampusMR", path, str(tmp_path / "data"))
    parts = {part: hippocampus_subjects(str(tmp_path / "data"), part) for part in ("fit", "tune", "val")}
    assert {part: len(subjects) for part, subjects in parts.items()} == {"fit": 14, "tune": 2, "val": 4}
    assert all("label" in subject for subjects in parts.values() for subject in subjects)
    val = {subject["subject"] for subject in parts["val"]}
    assert {pair["fixed_subject"] for pair in hippocampus_pairs(str(tmp_path / "data"), "val")} <= val


def test_abdomen_ctct_is_trained_on_without_its_validation_scans(tmp_path):
    path = archive(tmp_path / "set.zip", "AbdomenCTCT", 10, [(8, 9), (9, 8)])
    prepare.learn2reg("AbdomenCTCT", path, str(tmp_path / "data"))
    fit = {subject["subject"] for subject in fit_images(str(tmp_path / "data"))}
    assert len(fit) == 6  # of eight, two are tuned on
    pairs = scored_pairs(str(tmp_path / "data"), "val")
    assert [sorted(pair) for pair in pairs] == [["fixed", "fixed_label", "moving", "moving_label"]] * 2
    assert not any(name in pair["fixed"] for pair in pairs for name in fit)


@pytest.fixture
def legs(tmp_path):
    for number in range(1, 6):
        for contrast in ("T1", "T2"):
            volume = np.arange(720, dtype="float32").reshape(8, 9, 10)
            path = tmp_path / "raw" / f"leg{number}_{contrast}.nii.gz"
            path.parent.mkdir(exist_ok=True)
            nib.save(nib.Nifti1Image(volume, np.eye(4)), path)
    return tmp_path / "raw"


def test_legs_of_sata_become_subjects_of_two_contrasts(tmp_path, legs):
    message = prepare.sata(str(legs), str(tmp_path / "data"))
    assert message.startswith(f"{tmp_path / 'data'}: 3 fit, 2 val")
    assert "bundles/mcd_pemd/configs/train.json" in message
    subjects = contrast_subjects(str(tmp_path / "data"), ["T1", "T2"])
    assert [subject["subject"] for subject in subjects] == [f"leg{number}" for number in range(1, 6)]


def test_a_folder_without_raw_cases_leaves_nothing(tmp_path):
    with pytest.raises(FileNotFoundError, match="expected folders copd1 to copd10"):
        prepare.dirlab(str(tmp_path), str(tmp_path / "data"))
    assert not (tmp_path / "data").exists()
