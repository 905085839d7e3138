"""One pair as NIfTI, NRRD, MetaImage, DICOM series and in memory: the same field; frames; other formats written."""

import sys

import nibabel as nib
import numpy as np
import pytest
import torch

from common.data.in_memory import as_metatensor
from common.data.itk_images import kept_locale
from common.registration.registrar import register
from common.registration.result import Registration

sitk = pytest.importorskip("SimpleITK")
STEPS = {"effort": "none", "refine": 4}


@pytest.fixture(scope="module")
def nifti(tmp_path_factory):
    """Two oblique volumes of int16, the second bent against the first."""
    folder = tmp_path_factory.mktemp("nifti")
    x, y, z = np.meshgrid(*(np.arange(n) - (n - 1) / 2 for n in (26, 24, 20)), indexing="ij")
    angle = 0.2
    affine = np.eye(4)
    affine[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    affine[:3, :3] *= [1.5, 1.5, 2.0]
    affine[:3, 3] = [-20, 11, -7]
    for name, bend in (("fixed", 0.0), ("moving", 1.5)):
        u = x + bend * np.cos(y / 8)
        inside = 1 / (1 + np.exp(8 * ((u / 9) ** 2 + (y / 8) ** 2 + (z / 7) ** 2 - 1)))
        image = nib.Nifti1Image((1000 * inside * (1.3 + 0.4 * np.sin(u) * np.cos(0.8 * z))).astype(np.int16), affine)
        image.header.set_xyzt_units("mm")
        image.set_qform(affine, code=1)
        nib.save(image, folder / f"{name}.nii.gz")
    return [str(folder / f"{name}.nii.gz") for name in ("fixed", "moving")]


@pytest.fixture(scope="module")
def expected(nifti):
    return register(*nifti, **STEPS).field.as_tensor()


def dicom(image, folder):
    """A series with one file per slice."""
    writer, direction = sitk.ImageFileWriter(), np.array(image.GetDirection()).reshape(3, 3)
    writer.KeepOriginalImageUIDOn()
    folder.mkdir()
    for k in range(image.GetDepth()):
        plane, position = image[:, :, k], image.TransformIndexToPhysicalPoint((0, 0, k))
        tags = {"0008|0060": "MR", "0020|000e": "1.2.3", "0008|0018": f"1.2.3.{k}", "0020|0013": str(k)}
        tags["0020|0032"] = "\\".join(f"{value:.8f}" for value in position)
        tags["0020|0037"] = "\\".join(f"{value:.10f}" for value in (*direction[:, 0], *direction[:, 1]))
        for tag, value in tags.items():
            plane.SetMetaData(tag, value)
        writer.SetFileName(str(folder / f"{k:03d}.dcm"))
        with kept_locale():
            writer.Execute(plane)
    return str(folder)


def as_files(kind, path, folder):
    image, name = sitk.ReadImage(path), path.rsplit("/", 1)[1].split(".")[0]
    if kind == "dicom":
        return dicom(image, folder / name)
    sitk.WriteImage(image, str(folder / f"{name}.{kind}"))
    return str(folder / f"{name}.{kind}")


@pytest.mark.parametrize("kind", ["nrrd", "mha", "dicom"])
def test_the_same_pair_in_another_format_gives_the_same_field(nifti, expected, kind, tmp_path):
    found = register(*(as_files(kind, path, tmp_path) for path in nifti), **STEPS).field.as_tensor()
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=0)


@pytest.mark.parametrize(
    "read",
    [nib.load, sitk.ReadImage, lambda path: (nib.load(path).get_fdata(), nib.load(path).affine)],
    ids=["nibabel", "SimpleITK", "array and affine"],
)
def test_the_same_pair_in_memory_gives_the_same_field(nifti, expected, read):
    found = register(*(read(path) for path in nifti), **STEPS).field.as_tensor()
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=0)


def test_an_array_alone_has_voxels_of_one_millimeter_and_says_so():
    with pytest.warns(UserWarning, match="an array without affine: its voxels are taken to be 1 mm"):
        volume = as_metatensor(np.zeros((3, 4, 5)))
    assert torch.equal(volume.affine, torch.eye(4, dtype=torch.float64))
    with pytest.raises(TypeError, match="expected a file name, a MetaTensor, an image of nibabel"):
        as_metatensor(7)
    with pytest.raises(ValueError, match=r"expected an array with three axes \(X, Y, Z\), got the shape \(3, 4\)"):
        as_metatensor((np.zeros((3, 4)), np.eye(4)))


def test_a_frame_of_a_series_is_the_volume_alone(nifti, expected, tmp_path):
    moving = nib.load(nifti[1])
    series = np.stack([np.zeros(moving.shape), moving.get_fdata()], axis=-1)
    nib.save(nib.Nifti1Image(series.astype(np.int16), moving.affine), tmp_path / "series.nii.gz")
    found = register(nifti[0], str(tmp_path / "series.nii.gz"), frame=1, **STEPS).field.as_tensor()
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=0)
    with pytest.raises(ValueError, match=r"series.nii.gz: expected a frame from 0 to 1, got 2"):
        register(nifti[0], str(tmp_path / "series.nii.gz"), frame=2, **STEPS)
    with pytest.raises(ValueError, match=r"series.nii.gz: expected three axes .*--frame N takes one of its volumes"):
        register(nifti[0], str(tmp_path / "series.nii.gz"), **STEPS)


@pytest.mark.parametrize("form", ["nrrd", "mha"])
def test_warped_images_are_written_in_another_format(nifti, form, tmp_path, load_script, monkeypatch):
    command = ["register.py", "--fixed", nifti[0], "--moving", nifti[1], "--output_dir", str(tmp_path / "out")]
    command += ["--effort", "none", "--refine", "2", "--format", form, "--noreport", "--moving_label", nifti[1]]
    monkeypatch.setattr(sys, "argv", command)
    load_script("register").main()
    warped, fixed = sitk.ReadImage(str(tmp_path / "out" / f"warped.{form}")), sitk.ReadImage(nifti[0])
    assert warped.GetSize() == fixed.GetSize()
    np.testing.assert_allclose(warped.GetOrigin(), fixed.GetOrigin(), atol=1e-4)
    np.testing.assert_allclose(warped.GetDirection(), fixed.GetDirection(), atol=1e-5)
    assert (tmp_path / "out" / f"warped_label.{form}").is_file()
    assert not (tmp_path / "out" / "warped.nii.gz").exists()


def test_the_command_takes_folders_of_dicom_series_and_sees_when_a_slice_changes(nifti, tmp_path, load_script, capsys):
    folders = [as_files("dicom", path, tmp_path) for path in nifti]
    command = ["--fixed", folders[0], "--moving", folders[1], "--output_dir", str(tmp_path / "out")]
    command += ["--effort", "none", "--refine", "1", "--noreport"]
    load_script("register").main(command)
    load_script("register").main(command)
    assert "already registered, nothing done" in capsys.readouterr().out
    with open(f"{folders[1]}/003.dcm", "ab") as stream:
        stream.write(b"\0\0")
    with pytest.raises(SystemExit):
        load_script("register").main(command)
    assert "moving_sha256 differ" in capsys.readouterr().err


def test_a_registration_of_a_frame_is_loaded_with_that_frame(nifti, tmp_path):
    moving = nib.load(nifti[1])
    series = np.stack([np.zeros(moving.shape), moving.get_fdata()], axis=-1).astype(np.int16)
    nib.save(nib.Nifti1Image(series, moving.affine), tmp_path / "series.nii.gz")
    saved = register(nifti[0], str(tmp_path / "series.nii.gz"), frame=1, effort="none")
    saved.save(tmp_path / "out", report=False)
    torch.testing.assert_close(Registration.load(tmp_path / "out").moving, saved.moving)
