"""Where files lie: units, forms, quaternions, no form at all; what ITK makes of the same files."""

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
import torch

from common.data.header import VolumeError
from common.data.volume import input_image, read_volume
from common.words import InputWarning
from common.world.files import load_field, save_field, save_image
from common.world.grid import Grid
from tests.heads import write

SHAPE = (6, 7, 8)
AFFINE = np.array([[0, -2.0, 0, 3], [2.0, 0, 0, -40], [0, 0, 3, 12], [0, 0, 0, 1]])
IMAGE = np.random.default_rng(0).random(SHAPE).astype(np.float32)


def in_unit(code, factor):
    def change(image):
        image.set_sform(np.diag([factor, factor, factor, 1]) @ AFFINE, 1)
        image.set_qform(np.diag([factor, factor, factor, 1]) @ AFFINE, 1)
        image.header["xyzt_units"] = code

    return change


def itk_affine(path):
    image = sitk.ReadImage(str(path))
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    return np.diag([-1, -1, 1, 1]) @ affine


@pytest.mark.parametrize(
    ("code", "factor"),
    [(0, 1.0), (1, 1e-3), (2, 1.0), (3, 1e3), (8, 1.0), (9, 1e-3), (10, 1.0), (3 | 24, 1e3), (7, 1.0)],
    ids=["none", "m", "mm", "um", "none sec", "m sec", "mm sec", "um usec", "no such code"],
)
def test_every_unit_is_read_as_millimeters(code, factor, tmp_path, recwarn):
    path = write(tmp_path / "a.nii.gz", IMAGE, change=in_unit(code, factor))
    np.testing.assert_allclose(read_volume(path).affine.numpy(), AFFINE, atol=1e-4)
    np.testing.assert_allclose(input_image(path).affine.numpy(), AFFINE, atol=1e-4)
    np.testing.assert_allclose(input_image(path, "qform").affine.numpy(), AFFINE, atol=1e-4)
    assert not recwarn.list
    if code != 7:
        np.testing.assert_allclose(itk_affine(path), AFFINE, atol=1e-4)


def test_a_field_on_a_grid_in_micrometers_is_read_in_millimeters(tmp_path):
    grid = Grid(SHAPE, torch.from_numpy(AFFINE))
    save_field(tmp_path / "field.nii", torch.ones(3, *SHAPE), grid)
    image = nib.load(tmp_path / "field.nii")
    in_unit(3, 1e3)(image)
    nib.save(image, tmp_path / "micron.nii")
    field, found = load_field(tmp_path / "micron.nii")
    assert found.coincides_with(grid, 1e-3)
    assert field.unique().tolist() == [1.0]


def test_what_is_written_says_millimeters(tmp_path):
    save_image(tmp_path / "a.nii", torch.zeros(1, *SHAPE), Grid(SHAPE, torch.from_numpy(AFFINE)))
    assert nib.load(tmp_path / "a.nii").header.get_xyzt_units()[0] == "mm"


def test_an_image_of_many_meters_is_told(tmp_path):
    path = write(tmp_path / "a.nii", IMAGE, change=in_unit(1, 1.0))
    with pytest.warns(InputWarning, match=r"a\.nii: its longest edge is 24\.0 m by the unit in its header"):
        read_volume(path)


def without_forms(image):
    image.header.set_zooms((2, 3, 4))
    image.set_sform(None, 0)
    image.set_qform(None, 0)


def test_a_file_without_forms_lies_where_itk_lays_it(tmp_path):
    path = write(tmp_path / "a.nii", IMAGE, change=without_forms)
    with pytest.warns(InputWarning, match="neither sform nor qform is set"):
        affine = read_volume(path).affine.numpy()
    np.testing.assert_allclose(affine, itk_affine(path), atol=1e-5)


def write_quaternion(path, scale, has_sform, kind=nib.Nifti1Image):
    """A half turn whose quaternion, (0, 0, 1, 0), is longer than one; nibabel itself would not write it."""
    half_turn = np.diag([-2.0, 2.0, -3.0, 1.0])
    image = kind(IMAGE, half_turn)
    image.set_qform(half_turn, 1)
    image.set_sform(half_turn if has_sform else None, int(has_sform))
    nib.save(image, path)
    place, form = (260, "<f4") if kind is nib.Nifti1Image else (360, "<f8")
    content, number = bytearray(path.read_bytes()), np.array(scale, form).tobytes()
    content[place : place + len(number)] = number  # quatern_c
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("has_sform", [True, False])
@pytest.mark.parametrize("header", ["", "sform", "qform"])
@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
def test_a_quaternion_a_hair_too_long_is_one_of_length_one(kind, header, has_sform, tmp_path, recwarn):
    path = write_quaternion(tmp_path / "a.nii", 1.0002, has_sform, kind)
    np.testing.assert_allclose(input_image(path, header).affine.numpy(), np.diag([-2.0, 2.0, -3.0, 1.0]), atol=1e-5)
    assert not recwarn.list


def test_a_quaternion_that_is_none_is_refused_by_name_or_left_out_beside_an_sform(tmp_path):
    with pytest.raises(VolumeError, match=r"a\.nii: .*length 1 in the qform, found b² \+ c² \+ d² = 1\.44"):
        read_volume(write_quaternion(tmp_path / "a.nii", 1.2, False))
    with pytest.warns(InputWarning, match=r"b\.nii: the qform cannot be read"):
        assert read_volume(write_quaternion(tmp_path / "b.nii", 1.2, True)).affine[0, 0] == -2


def test_a_small_rotation_keeps_its_angle(tmp_path):
    angle = 0.02
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(np.pi - angle), -np.sin(np.pi - angle)], [np.sin(np.pi - angle), np.cos(np.pi - angle)]]
    path = write(tmp_path / "a.nii", IMAGE, change=lambda image: (image.set_sform(None, 0), image.set_qform(turn, 1)))
    np.testing.assert_allclose(read_volume(path).affine.numpy(), turn, atol=1e-4)
