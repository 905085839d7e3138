"""A motion series of ten frames: shifted blobs return to the frame that stays in place."""

import nibabel as nib
import numpy as np
import pytest

from common.registration.greedy import GreedyRefinement
from common.registration.registrar import Registrar
from common.registration.series import read_series, register_series

SHIFTS = np.linspace(0, 2.25, 10)


@pytest.fixture(scope="module")
def series(tmp_path_factory):
    """Ten frames of a textured ellipsoid that moves by a quarter of a voxel each, 1.5 s apart."""
    x, y, z = np.meshgrid(*(np.arange(size) - (size - 1) / 2 for size in (24, 22, 20)), indexing="ij")
    frames = []
    for shift in SHIFTS:
        u = x - shift
        inside = 1 / (1 + np.exp(6 * ((u / 8) ** 2 + (y / 7) ** 2 + (z / 6) ** 2 - 1)))
        frames.append(100 * inside * (1 + 0.4 * np.sin(u) * np.cos(0.8 * y) * np.cos(0.9 * z)))
    image = nib.Nifti1Image(np.stack(frames, axis=-1).astype(np.int16), np.diag([2.0, 2.0, 2.0, 1.0]))
    image.header.set_zooms((2.0, 2.0, 2.0, 1.5))
    path = tmp_path_factory.mktemp("series") / "motion.nii.gz"
    nib.save(image, path)
    return path


def test_all_frames_return_to_the_reference(series, tmp_path):
    registrar = Registrar(refinement=GreedyRefinement(40, num_levels=2))
    record = register_series(series, registrar, tmp_path / "out", frame=4)
    before, after = nib.load(series), nib.load(tmp_path / "out" / "series.nii.gz")
    assert (after.shape, after.header.get_zooms()) == (before.shape, before.header.get_zooms())
    np.testing.assert_array_equal(after.affine, before.affine)
    errors = [
        np.abs(image.get_fdata() - before.get_fdata()[..., 4:5])[8:-8, 6:-6, 6:-6].mean() for image in (before, after)
    ]
    assert errors[1] < 0.35 * errors[0]
    np.testing.assert_array_equal(after.get_fdata()[..., 4], before.get_fdata()[..., 4])
    moved = [row["mean_mm"] for row in record["frames"]]
    assert moved[4] == 0.0
    assert moved[9] > 2 * moved[5]
    assert len(record["frames"]) == 10


def test_a_frame_outside_of_the_series_is_refused(series, tmp_path):
    with pytest.raises(ValueError, match=r"motion.nii.gz: expected a frame from 0 to 9, got 10"):
        register_series(series, Registrar(), tmp_path / "out", frame=10)


def test_the_form_of_the_header_that_is_trusted_places_the_frames(series, tmp_path):
    image = nib.load(series).slicer[..., :2]
    other = image.affine.copy()
    other[0, 3] = 30.0
    image.set_sform(image.affine, code=1)
    image.set_qform(other, code=1)
    nib.save(image, tmp_path / "two.nii.gz")
    with pytest.raises(ValueError, match="expected sform and qform to agree"):
        register_series(tmp_path / "two.nii.gz", Registrar(), tmp_path / "out")
    register_series(tmp_path / "two.nii.gz", Registrar(header="qform"), tmp_path / "out")
    for file in ("series.nii.gz", "frames/frame0001.nii.gz"):
        np.testing.assert_allclose(nib.load(tmp_path / "out" / file).affine, other)


def test_a_single_volume_is_no_series(tmp_path):
    nib.save(nib.Nifti1Image(np.zeros((4, 4, 4), np.float32), np.eye(4)), tmp_path / "one.nii.gz")
    with pytest.raises(
        ValueError, match=r"one.nii.gz: expected four axes, the last one of frames, got the shape \(4, 4, 4\)"
    ):
        read_series(tmp_path / "one.nii.gz")


def test_another_series_in_the_same_folder_is_refused_before_anything_is_replaced(series, tmp_path):
    frames = nib.load(series)
    other = nib.Nifti1Image(frames.get_fdata()[..., ::-1].astype(np.int16), frames.affine, frames.header)
    nib.save(other, tmp_path / "other.nii.gz")
    nib.save(nib.Nifti1Image(frames.get_fdata()[..., :2].astype(np.int16), frames.affine), tmp_path / "two.nii.gz")
    register_series(tmp_path / "two.nii.gz", Registrar(), tmp_path / "out")
    before = (tmp_path / "out" / "frames" / "frame0000.nii.gz").read_bytes()
    with pytest.raises(FileExistsError, match=r"frame0000.nii.gz: expected no file or the same frame"):
        register_series(tmp_path / "other.nii.gz", Registrar(), tmp_path / "out")
    assert (tmp_path / "out" / "frames" / "frame0000.nii.gz").read_bytes() == before
