"""Labels: exact numbers, and where they lie beside their image."""

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from common.data.label_map import label_of_image, label_on_image
from common.data.volume import input_image, input_label
from common.words import InputWarning
from tests.heads import write

SHAPE = (10, 12, 8)
AFFINE = nib.affines.from_matvec(np.diag([1.0, 1.5, 2.0]), [-7.0, 4.0, 30.0])
NUMBERS = np.random.default_rng(0).integers(0, 5, SHAPE).astype(np.int16)


@pytest.fixture
def image(tmp_path):
    return input_image(write(tmp_path / "image.nii.gz", NUMBERS.astype(np.float32), AFFINE))


def reoriented(array, affine, order):
    image = nib.Nifti1Image(array, affine)
    wanted = nib.orientations.ornt_transform(nib.io_orientation(affine), nib.orientations.axcodes2ornt(order))
    changed = image.as_reoriented(wanted)
    return np.asarray(changed.dataobj), changed.affine


@pytest.mark.parametrize("order", ["RAS", "LPS", "LAS", "PIR", "SLP"])
def test_a_label_map_in_any_order_of_axes_is_that_of_its_image(order, image, tmp_path, recwarn):
    array, affine = reoriented(NUMBERS, AFFINE, order)
    label = label_on_image(input_label(write(tmp_path / "label.nii.gz", array, affine)), image)
    np.testing.assert_array_equal(label[0].numpy(), NUMBERS)
    assert not recwarn.list


def test_a_label_map_of_larger_voxels_in_the_same_box_is_taken(image, tmp_path, recwarn):
    affine = nib.affines.from_matvec(np.diag([2.0, 3.0, 4.0]), [-6.5, 4.75, 31.0])
    label = label_on_image(input_label(write(tmp_path / "l.nii", NUMBERS[::2, ::2, ::2], affine)), image)
    np.testing.assert_array_equal(label[0, ::2, ::2, ::2].numpy(), NUMBERS[::2, ::2, ::2])
    assert not recwarn.list


def test_a_header_that_differs_by_rounding_is_the_same(image, tmp_path, recwarn):
    affine = AFFINE + 0.004
    affine[3] = AFFINE[3]
    label = label_on_image(input_label(write(tmp_path / "label.nii", NUMBERS, affine)), image)
    np.testing.assert_array_equal(label[0].numpy(), NUMBERS)
    assert not recwarn.list


@pytest.mark.parametrize("check", [label_of_image, label_on_image])
def test_a_label_map_far_from_its_image_is_refused(check, image, tmp_path):
    affine = AFFINE.copy()
    affine[0, 3] += 500
    with pytest.raises(ValueError, match=r"label\.nii: expected labels where .*image\.nii\.gz lies, got none"):
        check(input_label(write(tmp_path / "label.nii", NUMBERS, affine)), image)


@pytest.mark.parametrize("check", [label_of_image, label_on_image])
def test_a_label_map_of_the_same_shape_at_another_place_is_told(check, image, tmp_path):
    affine = AFFINE.copy()
    affine[1, 3] += 9
    with pytest.warns(InputWarning, match=r"label\.nii: it has the shape of .* its corners up to 9\.0 mm from those"):
        check(input_label(write(tmp_path / "label.nii", NUMBERS, affine)), image)


def test_a_label_map_without_a_place_lies_on_its_image(image, tmp_path):
    def strip(header_of):
        header_of.set_sform(None, 0)
        header_of.set_qform(None, 0)

    with pytest.warns(InputWarning) as told:
        label = label_on_image(input_label(write(tmp_path / "label.nii", NUMBERS, None, strip)), image)
    assert any("laid on" in str(warning.message) for warning in told)
    np.testing.assert_array_equal(label[0].numpy(), NUMBERS)
    np.testing.assert_allclose(label.affine.numpy(), AFFINE)


def test_labels_beyond_a_crop_of_their_image_are_told(tmp_path, image):
    crop = MetaTensor(image.as_tensor()[:, :5], affine=image.affine)
    with pytest.warns(InputWarning, match=r"label map: (49|5\d) % of its labeled voxels lie outside"):
        label_of_image(MetaTensor(torch.from_numpy(NUMBERS)[None].int(), affine=image.affine), crop)


@pytest.mark.parametrize(
    ("dtype", "number"),
    [
        (np.uint8, 200),
        (np.int32, 614454277),
        (np.uint32, 3_000_000_000),
        (np.int64, 2**40 + 1),
        (np.float64, 2**25 + 1),
    ],
)
def test_numbers_stay_exact(dtype, number, tmp_path):
    array = np.zeros(SHAPE, dtype)
    array[2, 3, 4] = number
    path = tmp_path / "label.nii"
    nib.save(nib.Nifti1Image(array, np.eye(4), dtype=dtype), path)
    assert input_label(path)[0, 2, 3, 4].item() == number
    given = MetaTensor(torch.from_numpy(array.astype(np.int64))[None], affine=torch.eye(4))
    assert input_label(given)[0, 2, 3, 4].item() == number


def scaled(path, stored, slope):
    """A label map of integers with a slope, as a file and as nibabel has it in memory."""
    image = nib.Nifti1Image(stored, np.eye(4))
    image.header.set_slope_inter(slope, 0)
    nib.save(image, path)
    return path, nib.load(path)


@pytest.mark.parametrize("slope", [0.1, 1 / 3, 1 / 7, 7 / 32767])
def test_scaled_integers_are_rounded_to_the_numbers_they_stand_for(slope, tmp_path):
    path, image = scaled(tmp_path / "label.nii", np.rint(NUMBERS / slope).astype(np.int16), slope)
    assert np.abs(image.get_fdata() - NUMBERS).max() < 1e-3
    np.testing.assert_array_equal(input_label(path)[0].numpy(), NUMBERS)


@pytest.mark.parametrize("largest", [7, 50, 200])
def test_a_coarse_slope_rounds_to_the_numbers_that_were_written(largest, tmp_path):
    slope = np.float32(largest / 255)
    numbers = np.arange(largest + 1).reshape(-1, 1, 1)
    for given in scaled(tmp_path / "label.nii", np.rint(numbers / slope).astype(np.uint8), slope):
        np.testing.assert_array_equal(input_label(given)[0].numpy(), numbers)


@pytest.mark.parametrize(
    ("stored", "slope"), [([0, 1, 20], 7 / 255), ([0, 2], 200 / 255), ([0, 1], 1.5), ([0, 1], 0.5)]
)
def test_what_a_slope_does_not_explain_is_refused(stored, slope, tmp_path):
    for given in scaled(tmp_path / "label.nii", np.array(stored, np.uint8).reshape(-1, 1, 1), slope):
        with pytest.raises(ValueError, match=r"label\.nii: expected whole numbers from 0, got values from 0 to"):
            input_label(given)


def test_a_thousandth_beside_a_whole_number_is_rounding(tmp_path):
    label = input_label(write(tmp_path / "label.nii", NUMBERS + np.where(NUMBERS > 0, -5e-5, 9e-4)))
    np.testing.assert_array_equal(label[0].numpy(), NUMBERS)


@pytest.mark.parametrize("off", [0.002, 0.5, -1.0])
def test_other_numbers_are_refused(off, tmp_path):
    array = np.zeros(SHAPE)
    array[1, 1, 1] = off
    with pytest.raises(ValueError, match=r"label\.nii: expected whole numbers from 0, got values from"):
        input_label(write(tmp_path / "label.nii", array))


def test_nan_around_labels_is_background(tmp_path):
    array = np.full(SHAPE, np.nan)
    array[2:8, 2:10, 2:6] = 3
    with pytest.warns(InputWarning, match="are NaN and are taken for background, 0"):
        assert input_label(write(tmp_path / "label.nii", array)).unique().tolist() == [0, 3]
