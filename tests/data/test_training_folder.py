"""One's own images as a folder that the bundles train on."""

import json
import os

import nibabel as nib
import numpy as np
import pytest

from common.data.layouts.decathlon import decathlon_subjects
from common.data.layouts.multi_contrast import multi_contrast_subjects
from common.data.training_folder import write_training_folder


def write(path, shape=(6, 7, 8), label=False, spacing=1.0, value=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    volume = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    volume = (volume > 100) * 3.0 if label else volume
    if value is not None:
        volume[0, 0, 0] = value
    nib.save(nib.Nifti1Image(volume.astype(np.float32), np.diag([spacing, spacing, spacing, 1])), path)


def scans(folder, count=10):
    for number in range(count):
        write(folder / f"case{number}.nii.gz")
        write(folder / f"case{number}_label.nii.gz", label=True)
    return folder


def heads(folder, count=4):
    for number in range(count):
        for contrast in ("T1", "T2", "label"):
            write(folder / f"head{number}" / f"{contrast}.nii.gz", label=contrast == "label")
    return folder


def test_images_with_labels_become_a_decathlon_folder_with_splits(tmp_path):
    written = write_training_folder(scans(tmp_path / "scans"), tmp_path / "data")
    parts = {part: decathlon_subjects(tmp_path / "data", part) for part in ("fit", "tune", "val")}
    assert [len(subjects) for subjects in parts.values()] == [6, 2, 2]
    names = [subject["subject"] for subjects in parts.values() for subject in subjects]
    assert sorted(names) == [f"case{number}" for number in range(10)]
    assert all("label" in subject for subjects in parts.values() for subject in subjects)
    assert (written.box_mm, written.num_structures, written.contrasts) == ([6, 7, 8], 3, ["image"])


def test_a_folder_per_subject_becomes_a_multi_contrast_folder(tmp_path):
    written = write_training_folder(heads(tmp_path / "heads"), tmp_path / "data", val=0.25)
    subjects = multi_contrast_subjects(tmp_path / "data", ["T1", "T2"])
    assert [subject["subject"] for subject in subjects] == [f"head{number}" for number in range(4)]
    assert {part: len(names) for part, names in written.parts.items()} == {"fit": 3, "val": 1}


def test_parts_may_be_given_in_numbers_and_contrasts_tuned_on(tmp_path):
    written = write_training_folder(heads(tmp_path / "heads", 8), tmp_path / "data", tune=2, val=3)
    assert {part: len(names) for part, names in written.parts.items()} == {"fit": 3, "tune": 2, "val": 3}
    assert json.loads((tmp_path / "data" / "splits.json").read_text()) == written.parts
    assert not (write_training_folder(tmp_path / "heads", tmp_path / "two").folder / "splits.json").exists()


@pytest.mark.parametrize(("tune", "val"), [(2.5, 3), (0.5, 0.5), (-1, 3), (2, 0)])
def test_parts_that_cannot_be_counted_are_refused(tmp_path, tune, val):
    with pytest.raises(ValueError, match="tune and val: expected shares between 0 and 1"):
        write_training_folder(heads(tmp_path / "heads", 8), tmp_path / "data", tune=tune, val=val)


@pytest.mark.parametrize("form", ["csv", "json"])
def test_a_list_names_files_relative_to_itself(tmp_path, form):
    folder = scans(tmp_path / "scans", 6)
    rows = [{"subject": f"s{k}", "image": f"scans/case{k}.nii.gz"} for k in range(6)]
    path = tmp_path / f"list.{form}"
    lines = ["subject,image", *(",".join(row.values()) for row in rows)]
    path.write_text(json.dumps(rows) if form == "json" else "\n".join(lines))
    write_training_folder(path, tmp_path / "data")
    subjects = decathlon_subjects(tmp_path / "data")
    assert [subject["subject"] for subject in subjects] == [f"s{k}" for k in range(6)]
    assert os.path.samefile(subjects[0]["image"], folder / "case0.nii.gz")  # a hard link


def test_the_split_depends_on_the_seed_alone(tmp_path):
    folder = scans(tmp_path / "scans")
    parts = [write_training_folder(folder, tmp_path / str(k), seed=seed).parts for k, seed in enumerate((0, 0, 1))]
    assert parts[0] == parts[1] != parts[2]


def test_a_file_is_copied_where_it_cannot_be_linked(tmp_path, monkeypatch):
    def link(source, target):
        raise OSError("another disk")

    monkeypatch.setattr(os, "link", link)
    write_training_folder(scans(tmp_path / "scans", 6), tmp_path / "data")
    copy = decathlon_subjects(tmp_path / "data")[0]["image"]
    assert not os.path.samefile(copy, tmp_path / "scans" / "case0.nii.gz")


def test_every_file_that_cannot_be_used_is_told_and_nothing_is_written(tmp_path):
    folder = scans(tmp_path / "scans")
    (folder / "case1.nii.gz").write_text("no image")
    write(folder / "case2.nii.gz", value=np.nan)
    write(folder / "case3.nii.gz", shape=(6, 7, 8, 2))
    write(folder / "case4_label.nii.gz", shape=(5, 7, 8), label=True)
    write(folder / "case5_label.nii.gz", label=True, value=0.5)
    with pytest.raises(ValueError, match="5 of 10 subjects cannot be used, nothing was written") as refused:
        write_training_folder(folder, tmp_path / "data")
    lines = str(refused.value).splitlines()[1:]
    assert [line.split(":")[0].strip() for line in lines] == [f"case{number}" for number in range(1, 6)]
    assert "expected the grid of its image, (6, 7, 8), got (5, 7, 8)" in lines[3]
    assert "expected whole numbers from 0" in lines[4]
    assert not (tmp_path / "data").exists()


def test_contrasts_of_a_subject_must_lie_on_one_grid(tmp_path):
    folder = heads(tmp_path / "heads")
    write(folder / "head2" / "T2.nii.gz", spacing=2.0)
    with pytest.raises(ValueError, match=r"head2: .*T2\.nii\.gz: expected the grid of .*T1\.nii\.gz"):
        write_training_folder(folder, tmp_path / "data")


def test_subjects_must_have_the_same_contrasts(tmp_path):
    folder = heads(tmp_path / "heads")
    (folder / "head3" / "T2.nii.gz").unlink()
    with pytest.raises(ValueError, match="got T1, T2 of head0 and T1 of head3"):
        write_training_folder(folder, tmp_path / "data")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "subject,label\na,b.nii.gz",
            r"list.csv, entry 1: expected an image, or .*, got subject, label",
        ),
        ("subject,image\na,b.nii.gz", r"list.csv, entry 1, image: expected the file .*b.nii.gz"),
        ("subject,image\na/b,case0.nii.gz", r"expected a subject that can name a file, got 'a/b'"),
        ("image\ncase0.nii.gz\ncase0.nii.gz", r"expected each subject once, got case0 more than once"),
        ("image\ncase0.nii.gz", r"expected at least 6 subjects, 2 of each part, got 1"),
    ],
)
def test_a_wrong_list_is_refused_by_name(tmp_path, content, message):
    write(tmp_path / "case0.nii.gz")
    (tmp_path / "list.csv").write_text(content)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        write_training_folder(tmp_path / "list.csv", tmp_path / "data")


@pytest.mark.parametrize("images", ["nothing", "."])
def test_no_images_are_refused(tmp_path, images):
    with pytest.raises((ValueError, FileNotFoundError), match=r"images: expected a list|expected NIfTI images"):
        write_training_folder(tmp_path / images, tmp_path / "data")
