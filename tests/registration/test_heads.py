"""Synthetic heads whose map is known, handed in as public bug reports hand in theirs."""

import json
import sys

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
import torch
from monai.data import MetaTensor

from common.registration.outputs import Annotations
from common.registration.registrar import register
from common.words import InputWarning
from common.world.files import load_field
from common.world.resample import move_points
from tests.heads import MIDDLE_MM, SHAPE, error_mm, head, head_pair, labels_of, world_points, write

LPS = np.diag([-1.0, -1.0, 1.0])


@pytest.fixture(scope="module")
def heads():
    return head_pair()


def volume(array, affine=None):
    affine = torch.eye(4) if affine is None else torch.as_tensor(affine)
    return MetaTensor(torch.from_numpy(np.asarray(array))[None].float(), affine=affine)


def itk_error_mm(path, matrix=None):
    """The error of a field as SimpleITK reads and applies it."""
    transform = sitk.DisplacementFieldTransform(sitk.ReadImage(str(path), sitk.sitkVectorFloat64))

    def move(points):
        return torch.tensor(np.array([transform.TransformPoint((LPS @ p).tolist()) for p in points.numpy()]) @ LPS)

    return error_mm(move, matrix)


def in_micrometers(image):
    scale = np.diag([1e3, 1e3, 1e3, 1])
    image.set_sform(scale @ image.affine, 1)
    image.set_qform(image.affine, 1)
    image.header.set_xyzt_units("micron")


@pytest.mark.parametrize("sides", [("moving",), ("fixed", "moving")])
def test_micrometers_are_registered_like_millimeters(sides, heads, tmp_path):
    files = [
        write(tmp_path / f"{name}.nii", array, change=in_micrometers if name in sides else None)
        for name, array in zip(("fixed", "moving"), heads, strict=True)
    ]
    registration = register(*files, refine=50)
    registration.save(tmp_path / "out", report=False)
    assert error_mm(registration.move_points) < 1.0
    assert itk_error_mm(tmp_path / "out" / "field.nii.gz") < 1.0
    warped = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "out" / "warped.nii.gz"))).T
    assert np.corrcoef(warped.ravel(), heads[0].ravel())[0, 1] > 0.99


def test_empty_space_around_both_images_hardly_changes_the_error(heads):
    errors = []
    for margin in (0, 24):
        affine = nib.affines.from_matvec(np.eye(3), [-margin] * 3)
        images = [volume(np.pad(image, margin), affine) for image in heads]
        errors.append(error_mm(register(*images, refine=50).move_points))
    assert max(errors) < 1.0
    assert max(errors) - min(errors) < 0.2


@pytest.mark.parametrize(("padding", "sides"), [(-3024.0, (1,)), (-2000.0, (0, 1))])
def test_padding_of_a_ct_costs_little(sides, padding, heads):
    x, y, _ = np.moveaxis(world_points(np.eye(4)) - MIDDLE_MM[0], -1, 0)
    scans = [image * 8 - 1000 for image in heads]
    clean = error_mm(register(*map(volume, scans), refine=50).move_points)
    for side in sides:
        scans[side] = np.where(np.hypot(x, y) < 35, scans[side], padding)
    with pytest.warns(InputWarning, match="less than any Hounsfield unit"):
        registration = register(*map(volume, scans), refine=50)
    assert error_mm(registration.move_points) < clean + 0.3


def test_a_sheared_fixed_image_is_written_so_that_every_reader_places_it_alike(tmp_path):
    tilt = np.eye(4)
    tilt[1, 2] = 0.3
    tilt[1, 3] = -9.6
    points = world_points(tilt)
    fixed, moving = head(points), head_pair()[1]
    files = [write(tmp_path / "fixed.nii", fixed, tilt, lambda image: image.set_qform(None, 0))]
    files.append(write(tmp_path / "moving.nii", moving))
    registration = register(*files, refine=50)
    registration.save(tmp_path / "out", report=False, inverse=True)
    assert error_mm(registration.move_points) < 1.0
    warped = nib.load(tmp_path / "out" / "warped.nii.gz")
    assert int(warped.header["qform_code"]) == 0
    np.testing.assert_allclose(warped.affine, tilt, atol=1e-5)
    field, grid = load_field(tmp_path / "out" / "field.nii.gz")
    assert error_mm(lambda points: move_points(points, field, grid)) < 1.0
    assert itk_error_mm(tmp_path / "out" / "field.nii.gz") < 1.0
    register(tmp_path / "out" / "warped.nii.gz", files[1], effort="none")


def test_files_without_forms_are_registered_so_that_itk_applies_the_field(heads, tmp_path):
    for name, array in zip(("fixed", "moving"), heads, strict=True):
        image = nib.Nifti1Image(array.astype(np.float32), None)
        nib.save(image, tmp_path / f"{name}.nii")
    with pytest.warns(InputWarning, match="neither sform nor qform is set"):
        registration = register(tmp_path / "fixed.nii", tmp_path / "moving.nii", refine=50)
    registration.save(tmp_path / "out", report=False)
    field = sitk.ReadImage(str(tmp_path / "out" / "field.nii.gz"), sitk.sitkVectorFloat64)
    fixed, moving = (sitk.ReadImage(str(tmp_path / f"{name}.nii")) for name in ("fixed", "moving"))
    warped = sitk.GetArrayFromImage(sitk.Resample(moving, fixed, sitk.DisplacementFieldTransform(field)))
    assert np.corrcoef(warped.T.ravel(), heads[0].ravel())[0, 1] > 0.99


def test_a_fixed_label_map_in_another_order_of_axes_has_the_right_dice(heads, tmp_path):
    fixed, moving = (write(tmp_path / f"{k}.nii", image) for k, image in enumerate(heads))
    labels = [labels_of(image) for image in heads]
    flip = nib.affines.from_matvec(np.diag([-1.0, -1.0, 1.0]), [SHAPE[0] - 1, SHAPE[1] - 1, 0])
    fixed_label = write(tmp_path / "fixed_label.nii", labels[0][::-1, ::-1], flip)
    given = Annotations(fixed_label, write(tmp_path / "moving_label.nii", labels[1]))
    overlap = register(fixed, moving, effort="none").save(tmp_path / "out", given, report=False)["overlap"]
    masks = [[image == k for image in labels] for k in (1, 2, 3)]
    expected = np.mean([2 * (a & b).sum() / (a.sum() + b.sum()) for a, b in masks])
    assert overlap["after"]["dice"] == pytest.approx(expected, abs=1e-6)
    assert expected > 0.4


@pytest.mark.parametrize(("start", "thickness"), [(20, 1), (31, 1), (32, 2)])
def test_a_thin_slab_inside_a_large_fixed_image_is_found(start, thickness, heads):
    affine = nib.affines.from_matvec(np.diag([1.0, 1.0, 0.5]), [0, 0, start + 0.4])
    slab = head(world_points(affine, (72, 80, 2 * thickness)))
    large = volume(np.pad(heads[0], 20), nib.affines.from_matvec(np.eye(3), [-20] * 3))
    assert register(large, volume(slab, affine), effort="none").field.abs().max() < 1e-4


def main(load_script, monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["register.py", *map(str, arguments)])
    load_script("register").main()


def test_what_does_not_fit_is_told_before_anything_is_registered(heads, tmp_path, load_script, monkeypatch, capsys):
    files = [write(tmp_path / f"{k}.nii", image) for k, image in enumerate(heads)]
    far = write(tmp_path / "far.nii", labels_of(heads[0]), nib.affines.from_matvec(np.eye(3), [500, 0, 0]))
    crop = write(tmp_path / "crop.nii", heads[1][:60])
    (tmp_path / "a.csv").write_text("label,x,y,z\ntip,30,30,30\nbase,40,40,40\n")
    (tmp_path / "b.csv").write_text("label,x,y,z\ntip,30,30,30\n")
    monkeypatch.setattr("common.registration.registrar.Registrar.__call__", lambda *_: pytest.fail("registered"))
    pair = ["--fixed", files[0], "--moving", files[1], "--output_dir", tmp_path / "out"]
    wrong = {
        "labels where": ["--moving_label", far],
        "expected the landmarks that": ["--fixed_points", tmp_path / "a.csv", "--moving_points", tmp_path / "b.csv"],
        "two images of one shape": ["--moving", crop, "--learn2reg"],
        "ends in .csv": ["--fixed_points", files[0]],
    }
    for message, arguments in wrong.items():
        with pytest.raises(SystemExit) as stopped:
            main(load_script, monkeypatch, *pair, *arguments)
        assert stopped.value.code == 1
        assert message in capsys.readouterr().err
        assert not (tmp_path / "out").exists()


def test_warnings_are_shown_on_one_line_and_kept(heads, tmp_path, load_script, monkeypatch, capsys):
    files = [write(tmp_path / f"{k}.nii", image) for k, image in enumerate(heads)]
    label = write(tmp_path / "label.nii", labels_of(heads[0]), nib.affines.from_matvec(np.eye(3), [5, 0, 0]))
    words = ["--fixed", files[0], "--moving", files[1], "--effort", "none", "--noreport", "--fixed_label", label]
    main(load_script, monkeypatch, *words, "--output_dir", tmp_path / "1.10")
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning: /")]
    metrics = json.loads((tmp_path / "1.10" / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["warnings"] == [line.removeprefix("warning: ")]
    assert "its header lays its corners up to 5.0 mm" in line


@pytest.mark.parametrize("value", [True, 1.5, "50", -1])
def test_a_step_that_is_no_number_is_refused(value, heads):
    with pytest.raises(ValueError, match="refine: expected a whole number of at least 0, or its settings, got"):
        register(*map(volume, heads), refine=value)


def test_points_may_be_lists_arrays_and_tensors(heads):
    registration = register(*map(volume, heads), effort="none", refine=np.int64(0), init="center")
    for points in ([[30, 40, 30]], np.array([[30, 40, 30]]), np.array([[30.0, 40, 30]], np.float32)):
        assert registration.move_points(points).tolist() == [[30.0, 40.0, 30.0]]
        assert registration.move_points_back(points).round().tolist() == [[30.0, 40.0, 30.0]]
    with pytest.raises(ValueError, match=r"expected points of shape \(N, 3\), got \(3,\)"):
        registration.move_points([30, 40, 30])
