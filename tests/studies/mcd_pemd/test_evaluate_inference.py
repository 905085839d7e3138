"""A small head under a known field."""

import json

import nibabel
import numpy as np
import pytest
import torch

from common.methods.mcd_pemd.classifier import DisplacementClassifier


@pytest.fixture(scope="module")
def study(load_script):
    return load_script("evaluate_inference")


@pytest.fixture
def heads(tmp_path):
    for contrast in ("T1", "T2"):
        volume = np.random.default_rng(0).random((40, 44, 12), dtype=np.float32) + 1
        nibabel.save(nibabel.Nifti1Image(np.pad(volume, 2), np.eye(4)), tmp_path / f"{contrast}.nii.gz")
    entry = {"subject": "a", "T1": "T1.nii.gz", "T2": "T2.nii.gz"}
    (tmp_path / "dataset.json").write_text(json.dumps({"subjects": [entry]}))
    return str(tmp_path)


def test_rows_of_networks_and_of_what_the_images_make_of_them(study, heads, tmp_path):
    torch.save(DisplacementClassifier().state_dict(), tmp_path / "model.pt")
    options = {"seeds": 0, "num_refinement_steps": 1, "model": "affine", "stride_voxels": 60}
    table = study.evaluate_inference(heads, "a", str(tmp_path / "model.pt"), **options)
    rows = [line.strip("| ").split(" | ") for line in table.splitlines()[2:]]
    names = ["true field", "zero field", "random weights", "trained", "zero field, refined", "trained, refined"]
    assert [row[0] for row in rows] == names
    assert float(rows[0][1]) == 0
    assert float(rows[1][1]) == pytest.approx(20, rel=0.1)  # length_mm
