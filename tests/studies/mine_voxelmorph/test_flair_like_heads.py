import json

import nibabel as nib
import numpy as np
import pytest
import torch

from common.methods.mine_voxelmorph.subjects import brain_subjects

FLUID, GRAY, WHITE = 4, 42, 41


@pytest.fixture
def study(load_script):
    return load_script("flair_like_heads")


def layers():
    label = torch.zeros(1, 24, 24, 24, dtype=torch.long)
    for number, start in ((FLUID, 0), (GRAY, 8), (WHITE, 16)):
        label[:, start : start + 8] = number
    return label


def test_gray_matter_is_brightest_and_fluid_darkest(study, generator):
    flair = study.flair_like(layers(), layers() > 0, generator)
    fluid, gray, white = (flair[0, start + 3].mean() for start in (0, 8, 16))
    assert fluid + 40 < white
    assert white + 20 < gray


def test_what_lies_in_the_head_without_a_label_is_fluid(study, generator):
    label, head = layers(), torch.ones(1, 24, 24, 24, dtype=torch.bool)
    label[:, :8] = 0
    assert 10 < study.flair_like(label, head, generator)[0, 3].mean() < 60
    head[:, :8] = False
    assert study.flair_like(label, head, generator)[0, 3].mean() == 0


def test_heads_are_scored_only_and_keep_scan_and_labels_without_a_warp(study, tmp_path):
    scan = layers()[0].numpy()
    for name, volume in (("vol", 10.0 + scan + np.arange(24)), ("seg", scan)):
        nib.save(nib.Nifti1Image(volume.astype("float32"), np.eye(4)), tmp_path / f"{name}.nii.gz")
    study.write_heads(str(tmp_path), str(tmp_path / "heads"), num_heads=1, warp_mm=0)
    (head,) = brain_subjects(str(tmp_path / "heads"), "val", ["T1", "FLAIR"])
    assert np.array_equal(nib.load(head["label"]).get_fdata(), scan)
    assert json.loads((tmp_path / "heads" / "splits.json").read_text())["fit"] == []
