"""Reading one NIfTI volume and refusing what is none."""

import nibabel as nib
import numpy as np
import pytest
import torch

from common.data.volume import VolumeError, read_volume

DATA = np.arange(9 * 8 * 7, dtype=np.float32).reshape(9, 8, 7)
OBLIQUE = nib.affines.from_matvec([[0.0, -2.0, 0.3], [-1.5, 0.1, 0.0], [0.2, 0.0, 3.0]], [-30.0, 17.0, 5.0])


def save(path, data=DATA, affine=OBLIQUE):
    nib.save(nib.Nifti1Image(data, affine), path)
    return path


def save_with_srow(path, rows):
    """Writes a header by hand, because nibabel itself refuses to write a broken affine."""
    header = nib.Nifti1Header()
    header.set_data_shape(DATA.shape)
    header.set_data_dtype(np.float32)
    header["sform_code"], header["vox_offset"] = 1, 352
    header["srow_x"], header["srow_y"], header["srow_z"] = rows
    path.write_bytes(header.binaryblock + b"\0" * 4 + DATA.tobytes(order="F"))
    return path


def test_read_volume_gives_channel_first_float32(tmp_path):
    volume = read_volume(save(tmp_path / "a.nii.gz", DATA.astype(np.int16)))
    assert volume.shape == (1, 9, 8, 7)
    assert volume.dtype == torch.float32


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_read_volume_keeps_voxels_and_affine_as_on_disk(tmp_path, ending):
    volume = read_volume(save(tmp_path / f"a{ending}"))
    np.testing.assert_array_equal(volume[0].numpy(), DATA)
    np.testing.assert_allclose(volume.affine.numpy(), OBLIQUE, atol=1e-5)


def test_read_volume_applies_slope_and_intercept(tmp_path):
    image = nib.Nifti1Image(DATA.astype(np.int16), np.eye(4))
    image.header.set_slope_inter(2.0, -5.0)
    nib.save(image, tmp_path / "a.nii.gz")
    stored = np.asarray(nib.load(tmp_path / "a.nii.gz").dataobj)
    np.testing.assert_allclose(read_volume(tmp_path / "a.nii.gz")[0].numpy(), stored)


@pytest.mark.parametrize("shape", [(9, 8, 7, 1), (9, 8, 7, 1, 1)])
def test_trailing_axes_of_length_one_are_dropped(tmp_path, shape):
    np.testing.assert_array_equal(read_volume(save(tmp_path / "a.nii.gz", DATA.reshape(shape)))[0].numpy(), DATA)


def test_nonfinite_zero_sets_only_nan_and_infinite_voxels_to_zero(tmp_path):
    data = DATA.copy()
    data[1, 2, 3], data[3, 2, 1] = np.nan, np.inf
    expected = np.where(np.isfinite(data), data, 0.0)
    volume = read_volume(save(tmp_path / "a.nii.gz", data), nonfinite="zero")
    np.testing.assert_array_equal(volume[0].numpy(), expected)


def test_sform_wins_over_a_different_qform_with_a_warning(tmp_path):
    image = nib.Nifti1Image(DATA, np.diag([1.0, 2.0, 3.0, 1.0]))
    image.set_sform(np.diag([1.0, 2.0, 3.0, 1.0]), 1)
    image.set_qform(np.diag([-1.0, 2.0, 3.0, 1.0]), 1)
    nib.save(image, tmp_path / "a.nii.gz")
    with pytest.warns(UserWarning, match=r"a\.nii\.gz: the qform places a corner 16\.0 mm from where the sform does"):
        assert read_volume(tmp_path / "a.nii.gz").affine[0, 0] == 1


def test_a_voxel_size_that_differs_from_the_sform_is_warned_of(tmp_path):
    image = nib.Nifti1Image(DATA, np.eye(4))
    image.set_sform(np.eye(4), 1)
    image.set_qform(None, 0)
    image.header["pixdim"][1] = 2
    nib.save(image, tmp_path / "a.nii.gz")
    with pytest.warns(UserWarning, match=r"the voxel size places a corner 8\.0 mm"):
        assert read_volume(tmp_path / "a.nii.gz").affine[0, 0] == 1


def test_an_image_without_orientation_is_warned_of(tmp_path):
    nib.save(nib.Nifti1Image(DATA, None), tmp_path / "a.nii.gz")
    with pytest.warns(UserWarning, match="neither sform nor qform is set"):
        read_volume(tmp_path / "a.nii.gz")


@pytest.mark.data
def test_real_volumes_read_without_a_warning(registration_data, recwarn):
    for file in sorted(registration_data.glob("MultiContrastBrain/*/T1.nii.gz")):
        assert read_volume(file).ndim == 4
    assert not recwarn.list


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"absent\.nii\.gz: expected a NIfTI file, found nothing"):
        read_volume(tmp_path / "absent.nii.gz")
    with pytest.raises(FileNotFoundError, match="found a folder"):
        read_volume(tmp_path)


@pytest.mark.parametrize("name", ["a.nii.gz", "a.nii"])
@pytest.mark.parametrize(("content", "found"), [(b"", "an empty file"), (b"no image " * 99, "content that is none")])
def test_an_empty_file_and_a_text_are_no_volume(tmp_path, name, content, found):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(VolumeError, match=f"{name}: expected a NIfTI file, found {found}"):
        read_volume(tmp_path / name)


@pytest.mark.parametrize("name", ["a.nii.gz", "a.nii"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.95])
def test_a_truncated_file_is_no_volume(tmp_path, name, share):
    content = save(tmp_path / name, np.random.default_rng(0).normal(size=(9, 8, 7))).read_bytes()
    (tmp_path / name).write_bytes(content[: int(len(content) * share)])
    with pytest.raises(VolumeError, match=rf"{name}: expected .* found (a truncated|content that is none)"):
        read_volume(tmp_path / name)


@pytest.mark.parametrize("shape", [(9, 8, 7, 2), (9, 8, 7, 1, 3)])
def test_other_than_three_axes_are_refused(tmp_path, shape):
    with pytest.raises(VolumeError, match=r"a\.nii\.gz: expected three axes \(X, Y, Z\), found the shape \(9, 8"):
        read_volume(save(tmp_path / "a.nii.gz", np.zeros(shape, np.float32)))


@pytest.mark.parametrize("dtype", [np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")]), np.complex64])
def test_color_and_complex_voxels_are_refused(tmp_path, dtype):
    with pytest.raises(VolumeError, match=r"a\.nii\.gz: expected one real number per voxel, found the voxel type"):
        read_volume(save(tmp_path / "a.nii.gz", np.zeros((4, 4, 4), dtype)))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nonfinite_voxels_are_refused_and_counted(tmp_path, value):
    data = DATA.copy()
    data[0, 0, :2] = value
    with pytest.raises(VolumeError, match=r"a\.nii\.gz: expected finite voxels, found 2 NaN or infinite of 504"):
        read_volume(save(tmp_path / "a.nii.gz", data))


@pytest.mark.parametrize(
    ("row", "kind"), [([0.0] * 4, "singular"), ([0.0, 1.0, 0.0, 0.0], "singular"), ([np.nan] * 4, "not finite")]
)
def test_zero_singular_and_nonfinite_affines_are_refused(tmp_path, row, kind):
    path = save_with_srow(tmp_path / "a.nii", [row, [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]])
    with pytest.raises(VolumeError, match=rf"a\.nii: expected an invertible affine, found a {kind} one"):
        read_volume(path)


def test_another_image_format_is_refused(tmp_path):
    nib.save(nib.MGHImage(DATA, np.eye(4)), tmp_path / "a.mgz")
    with pytest.raises(VolumeError, match=r"a\.mgz: expected a NIfTI file, found MGHImage"):
        read_volume(tmp_path / "a.mgz")


def test_a_misspelt_nonfinite_is_refused(tmp_path):
    with pytest.raises(ValueError, match="nonfinite: expected 'error' or 'zero', got 'zeros'"):
        read_volume(save(tmp_path / "a.nii.gz"), nonfinite="zeros")
