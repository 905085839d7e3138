"""The dictionary transform that reads volumes."""

import pickle

import nibabel as nib
import numpy as np
import pytest
import torch

from common.transforms.load import LoadVolumed


@pytest.fixture
def path(tmp_path):
    nib.save(nib.Nifti1Image(np.full((4, 5, 6), 3.0, np.float32), np.diag([1.0, 2.0, 3.0, 1.0])), tmp_path / "a.nii.gz")
    return str(tmp_path / "a.nii.gz")


def test_only_the_named_keys_become_volumes_and_the_item_is_not_changed(path):
    item = {"fixed": path, "subject": "a"}
    loaded = LoadVolumed(["fixed"])(item)
    assert loaded["fixed"].shape == (1, 4, 5, 6)
    assert loaded["subject"] == "a"
    assert item["fixed"] == path


def test_tensors_pass_unchanged():
    volume = torch.zeros(1, 2, 2, 2)
    assert LoadVolumed("fixed")({"fixed": volume})["fixed"] is volume


def test_it_pickles_for_worker_processes(path):
    assert pickle.loads(pickle.dumps(LoadVolumed("fixed")))({"fixed": path})["fixed"].max() == 3


def test_missing_keys_pass_only_where_allowed(path):
    assert "moving" not in LoadVolumed(["fixed", "moving"], allow_missing_keys=True)({"fixed": path})
    with pytest.raises(KeyError, match="moving"):
        LoadVolumed(["fixed", "moving"])({"fixed": path})


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"absent\.nii\.gz"):
        LoadVolumed("fixed")({"fixed": str(tmp_path / "absent.nii.gz")})
