"""NRRD, MetaImage and DICOM series: written by SimpleITK here, placed as the same NIfTI file."""

import locale

import nibabel as nib
import numpy as np
import pytest
import torch

from common.data.itk_images import from_simpleitk, is_itk_file, kept_locale, read_itk_image, to_simpleitk
from common.world.grid import Grid

sitk = pytest.importorskip("SimpleITK")


@pytest.fixture(scope="module")
def image():
    """An oblique, anisotropic image of int16, 12 × 10 × 8 voxels."""
    array = np.random.default_rng(0).integers(-1000, 1000, size=(8, 10, 12)).astype(np.int16)
    made = sitk.GetImageFromArray(array)
    angle = 0.3
    made.SetDirection((np.cos(angle), -np.sin(angle), 0, np.sin(angle), np.cos(angle), 0, 0, 0, 1))
    made.SetSpacing((0.75, 1.25, 2.5))
    made.SetOrigin((12.0, -40.5, 7.25))
    return made


def write_series(image, folder, description="T1", uid="1.2.826.0.1.1", skip=()):
    writer = sitk.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    direction = np.array(image.GetDirection()).reshape(3, 3)
    folder.mkdir(exist_ok=True)
    for k in range(image.GetDepth()):
        if k in skip:
            continue
        plane = image[:, :, k]
        position = image.TransformIndexToPhysicalPoint((0, 0, k))
        tags = {
            "0008|0060": "MR",
            "0008|103e": description,
            "0020|000e": uid,
            "0008|0018": f"{uid}.{k}",
            "0020|0013": str(k),
            "0020|0032": "\\".join(f"{value:.6f}" for value in position),
            "0020|0037": "\\".join(f"{value:.8f}" for value in (*direction[:, 0], *direction[:, 1])),
            "0018|0050": str(image.GetSpacing()[2]),
        }
        for tag, value in tags.items():
            plane.SetMetaData(tag, value)
        writer.SetFileName(str(folder / f"{description}_{k:02d}.dcm"))
        with kept_locale():
            writer.Execute(plane)
    return folder


@pytest.mark.parametrize("kind", ["nrrd", "mha", "dicom"])
def test_the_same_image_lies_where_nifti_has_it(tmp_path, image, kind):
    sitk.WriteImage(image, str(tmp_path / "same.nii.gz"))
    expected = nib.load(tmp_path / "same.nii.gz")
    if kind == "dicom":
        path = write_series(image, tmp_path / "series")
    else:
        path = tmp_path / f"image.{kind}"
        sitk.WriteImage(image, str(path))
    volume = read_itk_image(path)
    np.testing.assert_allclose(volume.affine.numpy(), expected.affine, atol=1e-4)
    np.testing.assert_array_equal(volume[0].numpy(), expected.get_fdata())
    assert is_itk_file(path)


def test_reading_a_series_leaves_the_locale_as_it_was(tmp_path, image):
    before = locale.setlocale(locale.LC_ALL)
    read_itk_image(write_series(image, tmp_path / "series"))
    assert locale.setlocale(locale.LC_ALL) == before


def test_there_and_back_is_the_same(image):
    volume = from_simpleitk(image)
    again = from_simpleitk(to_simpleitk(volume, Grid.from_image(volume)))
    torch.testing.assert_close(again.as_tensor(), volume.as_tensor())
    torch.testing.assert_close(again.affine, volume.affine)


def test_channels_come_first_and_a_plane_gets_an_axis():
    colored = sitk.GetImageFromArray(np.random.default_rng(1).random((3, 4, 5, 2)), isVector=True)
    assert from_simpleitk(colored).shape == (2, 5, 4, 3)
    assert from_simpleitk(sitk.Image(6, 7, sitk.sitkFloat32)).shape == (1, 6, 7, 1)


def test_a_folder_of_two_series_asks_for_a_file_of_one(tmp_path, image):
    folder = write_series(image, tmp_path / "both")
    write_series(image + 5, folder, "T2", "1.2.826.0.1.2")
    with pytest.raises(ValueError, match=r"both: expected one DICOM series, got 2: .*name a file of the series"):
        read_itk_image(folder)
    assert torch.equal(read_itk_image(folder / "T2_03.dcm") - 5, read_itk_image(folder / "T1_03.dcm"))


def test_a_missing_slice_is_refused(tmp_path, image):
    with pytest.raises(ValueError, match=r"gap: expected slices at equal distances, got 2.5 to 5 mm"):
        read_itk_image(write_series(image, tmp_path / "gap", skip=(4,)))


def test_what_is_no_image_is_refused(tmp_path):
    (tmp_path / "a.nrrd").write_bytes(b"no")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"a.nrrd: expected an image"):
        read_itk_image(tmp_path / "a.nrrd")
    with pytest.raises(ValueError, match="empty: expected one DICOM series, got 0"):
        read_itk_image(tmp_path / "empty")
    with pytest.raises(FileNotFoundError, match=r"b.mha: expected an image"):
        read_itk_image(tmp_path / "b.mha")
    shear = torch.eye(4)
    shear[0, 1] = 0.3
    with pytest.raises(ValueError, match="expected axes at right angles"):
        to_simpleitk(torch.zeros(2, 2, 2), Grid((2, 2, 2), shear))
