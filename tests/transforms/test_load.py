"""The dictionary transform that reads volumes."""

import pickle

import nibabel as nib
import numpy as np
import pytest
import torch

from common.transforms.load import LoadPaird, LoadVolumed


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


SHAPE = (6, 5, 4)


def write(path, array=None, shift_mm=0.0):
    array = np.arange(120, dtype=np.float32).reshape(SHAPE) if array is None else array
    affine = np.eye(4)
    affine[0, 3] = shift_mm
    nib.save(nib.Nifti1Image(array, affine), path)
    return str(path)


@pytest.fixture
def pair(tmp_path):
    return {key: write(tmp_path / f"{key}.nii.gz") for key in ("fixed", "moving")}


def test_images_and_masks_become_volumes_and_the_rest_stays(pair, tmp_path):
    mask = write(tmp_path / "mask.nii.gz", np.ones(SHAPE, np.uint8))
    item = LoadPaird()({**pair, "fixed_mask": mask, "name": "a"})
    assert {key: item[key].shape for key in ("fixed", "moving", "fixed_mask")} == dict.fromkeys(
        ("fixed", "moving", "fixed_mask"), (1, *SHAPE)
    )
    assert item["name"] == "a"
    assert item.keys() == {*pair, "fixed_mask", "name"}


def test_the_moving_label_goes_where_it_is_warped_from_and_the_fixed_one_is_left_out(pair, tmp_path):
    label = np.zeros(SHAPE, np.uint8)
    label[2, 3, 1] = 7
    path = write(tmp_path / "label.nii.gz", label)
    item = LoadPaird()({**pair, "fixed_label": path, "moving_label": path})
    assert item.keys() == {*pair, "moving_label_native"}
    assert item["moving_label_native"][0, 2, 3, 1] == 7


def test_a_program_that_has_volumes_can_leave_it_out_as_any_reading():
    assert issubclass(LoadPaird, LoadVolumed)


def test_images_without_overlap_are_refused_with_both_names(pair, tmp_path):
    pair["moving"] = write(tmp_path / "far.nii.gz", shift_mm=500.0)
    with pytest.raises(ValueError, match=r"fixed\.nii\.gz and .*far\.nii\.gz: .*overlap.*centers 500 mm apart"):
        LoadPaird()(pair)


def test_images_without_overlap_pass_where_centers_are_laid_on_each_other(pair, tmp_path):
    pair["moving"] = write(tmp_path / "far.nii.gz", shift_mm=500.0)
    assert torch.equal(LoadPaird(overlapping=False)(pair)["moving"].affine[:3, 3], torch.tensor([500.0, 0, 0]).double())


def test_a_header_that_contradicts_itself_is_refused_until_one_form_is_trusted(pair):
    image = nib.Nifti1Image(nib.load(pair["moving"]).get_fdata(dtype=np.float32), np.eye(4))
    image.set_sform(np.eye(4), code=1)
    image.set_qform(np.diag([-1, -1, 1, 1]), code=1)
    nib.save(image, pair["moving"])
    with pytest.raises(ValueError, match=r"moving\.nii\.gz: expected sform and qform to agree"):
        LoadPaird()(pair)
    assert LoadPaird(header="qform")(pair)["moving"].affine[0, 0] == -1


def test_a_constant_image_and_a_label_map_of_fractions_are_refused(pair, tmp_path):
    flat = write(tmp_path / "flat.nii.gz", np.full(SHAPE, 7, np.float32))
    with pytest.raises(ValueError, match=r"flat\.nii\.gz: expected several intensities, got 7"):
        LoadPaird()({**pair, "fixed": flat})
    half = write(tmp_path / "half.nii.gz", np.full(SHAPE, 0.5, np.float32))
    with pytest.raises(ValueError, match=r"half\.nii\.gz: expected whole numbers"):
        LoadPaird()({**pair, "moving_label": half})
