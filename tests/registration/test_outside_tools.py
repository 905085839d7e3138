"""Files of a registration as SimpleITK and ANTs read them."""

import nibabel as nib
import numpy as np
import pytest
import torch

from common.registration.landmarks import Landmarks, write_landmarks
from common.registration.outputs import Annotations
from common.registration.registrar import register
from common.registration.steps import Refinement
from common.world.transform_files import read_transform

sitk = pytest.importorskip("SimpleITK")
LPS = np.array([-1.0, -1.0, 1.0])


@pytest.fixture(scope="module")
def saved(pair, tmp_path_factory):
    """A registration with affine and refinement, its landmarks, and its folder."""
    folder = tmp_path_factory.mktemp("saved")
    registration = register(*pair, affine="rigid", refine=Refinement(4, num_levels=2, velocity=False))
    points = torch.tensor([[5.0, 8.0, 15.0], [-3.0, 20.0, 33.0], [-10.0, 14.0, 28.0]])
    write_landmarks(folder / "points.fcsv", Landmarks(points, ("a", "b", "c")))
    given = Annotations(fixed_points=str(folder / "points.fcsv"))
    registration.save(folder, annotations=given, inverse=True)
    return registration, points, folder


def core(shape):
    """1 but in the outermost planes, where tools differ in how values fade beyond the last voxel center."""
    array = np.zeros(shape, dtype=np.float32)
    array[tuple(slice(1, -1) for _ in shape)] = 1
    return array


def test_simpleitk_warps_with_the_field_as_we_do(pair, saved):
    fixed, moving, warped = (sitk.ReadImage(str(x), sitk.sitkFloat64) for x in (*pair, saved[2] / "warped.nii.gz"))
    field = sitk.ReadImage(str(saved[2] / "field.nii.gz"), sitk.sitkVectorFloat64)
    transform = sitk.DisplacementFieldTransform(field)
    expected = sitk.GetArrayFromImage(sitk.Resample(moving, fixed, transform, sitk.sitkLinear, 0.0))
    reach = sitk.GetImageFromArray(core(moving.GetSize()[::-1]))
    reach.CopyInformation(moving)
    inside = sitk.GetArrayFromImage(sitk.Resample(reach, fixed, transform, sitk.sitkLinear, 0.0)) > 0.999
    assert inside.mean() > 0.1
    assert np.abs(sitk.GetArrayFromImage(warped) - expected)[inside].max() < 0.01 * np.ptp(expected)


def test_landmarks_moved_by_us_and_by_simpleitk_agree_to_a_hundredth_of_a_millimeter(saved):
    registration, points, folder = saved
    transform = sitk.DisplacementFieldTransform(sitk.ReadImage(str(folder / "field.nii.gz"), sitk.sitkVectorFloat64))
    expected = np.array([np.array(transform.TransformPoint(list(p * LPS))) * LPS for p in points.numpy().astype(float)])
    assert np.abs(registration.move_points(points).numpy() - expected).max() < 0.01


def test_the_affine_file_maps_points_as_the_affine(saved):
    registration, points, folder = saved
    transform = sitk.ReadTransform(str(folder / "affine.tfm"))
    moved = np.array([np.array(transform.TransformPoint(list(p * LPS))) * LPS for p in points.numpy().astype(float)])
    matrix = registration.affine.numpy()
    np.testing.assert_allclose(moved, points.numpy() @ matrix[:3, :3].T + matrix[:3, 3], atol=1e-6)
    assert not torch.allclose(
        read_transform(folder / "affine.tfm").matrix, torch.linalg.inv(registration.affine), atol=0.1
    )


def test_the_inverse_field_lies_on_the_moving_grid_and_brings_points_back(pair, saved):
    registration, points, folder = saved
    image = nib.load(folder / "inverse_field.nii.gz")
    assert image.shape == (*nib.load(pair[1]).shape, 1, 3)
    transform = sitk.DisplacementFieldTransform(
        sitk.ReadImage(str(folder / "inverse_field.nii.gz"), sitk.sitkVectorFloat64)
    )
    there = registration.move_points(points).numpy()
    back = np.array([np.array(transform.TransformPoint(list(p * LPS))) * LPS for p in there])
    assert np.abs(back - points.numpy()).max() < 0.3  # the inverse is sampled on voxels of 2 to 3 mm
    assert (registration.move_points_back(registration.move_points(points)) - points).abs().max() < 0.01


def test_ants_applies_field_and_affine_as_we_do(pair, saved, tmp_path):
    ants = pytest.importorskip("ants")
    aligned = register(*pair, affine="rigid")
    aligned.save(tmp_path / "aligned", report=False)
    fixed, moving = (ants.image_read(path) for path in pair)
    reach = moving.new_image_like(core(moving.shape))
    for folder, file in ((saved[2], "field.nii.gz"), (tmp_path / "aligned", "affine.tfm")):
        ours = ants.image_read(str(folder / "warped.nii.gz")).numpy()
        theirs, reached = (
            ants.apply_transforms(fixed, image, [str(folder / file)]).numpy() for image in (moving, reach)
        )
        inside = reached > 0.999
        assert inside.mean() > 0.1
        assert np.abs(ours - theirs)[inside].max() < 0.01 * np.ptp(ours)
