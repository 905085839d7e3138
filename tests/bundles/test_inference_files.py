"""The files that a bundle's inference.json leaves behind, as SimpleITK reads them."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.bundle import ConfigWorkflow

from common.data.sample_chest import write_sample_chest

sitk = pytest.importorskip("SimpleITK")

ROOT = Path(__file__).parents[2]
BUNDLES = sorted(path.parent.parent for path in ROOT.glob("bundles/*/configs/inference.json"))
OF_CHESTS = ["cyclical_self_training_points"]
each_bundle = pytest.mark.parametrize("bundle", BUNDLES, ids=lambda path: path.name)


def oblique_affine(spacing, degrees, flips, origin):
    """Rotation about two axes times signed voxel sizes."""
    a, b = np.deg2rad(degrees)
    turn = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    tilt = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    affine = np.eye(4)
    affine[:3, :3] = turn @ tilt @ np.diag(np.multiply(spacing, flips))
    affine[:3, 3] = origin
    return affine


def write_blobs(path, shape, affine, seed):
    noise = torch.rand(1, 1, 8, 8, 8, generator=torch.Generator().manual_seed(seed))
    volume = torch.nn.functional.interpolate(noise, size=shape, mode="trilinear", align_corners=True)[0, 0]
    nib.save(nib.Nifti1Image(100 * volume.numpy(), affine), path)


def write_blob_pair(folder):
    write_blobs(folder / "fixed.nii.gz", (30, 25, 20), oblique_affine([2, 2.2, 3], [20, 10], [-1, 1, 1], [9, -4, 7]), 0)
    write_blobs(
        folder / "moving.nii.gz", (20, 30, 28), oblique_affine([3, 2, 2], [-15, 5], [1, 1, -1], [-26, -20, 50]), 1
    )


def write_chest_pair(folder):
    """Generated chests, turned in the world; the moving one flipped and cropped."""
    paths = write_sample_chest(folder / "chest")
    turn = oblique_affine([1, 1, 1], [10, 5], [1, 1, 1], [9, -4, 7])
    for side, orientation, first in (("fixed", "RAS", 0), ("moving", "LPI", 6)):
        image = nib.load(paths[side]).slicer[:, first:]
        image = nib.Nifti1Image(image.get_fdata(dtype=np.float32), turn @ image.affine)
        target = nib.orientations.axcodes2ornt(orientation)
        image = image.as_reoriented(nib.orientations.ornt_transform(nib.io_orientation(image.affine), target))
        nib.save(image, folder / f"{side}.nii.gz")


@pytest.fixture(scope="module")
def registered(tmp_path_factory):
    """Registers an oblique, flipped, anisotropic pair of different sizes once per bundle; returns its folder."""
    done = {}

    def register(bundle):
        if bundle not in done:
            folder = tmp_path_factory.mktemp(bundle.name)
            (write_chest_pair if bundle.name in OF_CHESTS else write_blob_pair)(folder)
            workflow = ConfigWorkflow(
                str(bundle / "configs" / "inference.json"),
                workflow_type="infer",
                logging_file=False,
                bundle_root=str(bundle),
                output_dir=str(folder),
                fixed=str(folder / "fixed.nii.gz"),
                moving=str(folder / "moving.nii.gz"),
            )
            workflow.initialize()
            workflow.run()
            done[bundle] = folder
        return done[bundle]

    return register


def interior(image: sitk.Image) -> sitk.Image:
    """1 but for the border voxels, between whose centers and edges ITK repeats the border and we fade to 0."""
    mask = np.zeros(image.GetSize()[::-1])
    mask[1:-1, 1:-1, 1:-1] = 1
    mask = sitk.GetImageFromArray(mask)
    mask.CopyInformation(image)
    return mask


@each_bundle
def test_simpleitk_applies_the_field_and_gets_the_warped_image(bundle, registered):
    folder = registered(bundle)
    fixed, moving, warped = (
        sitk.ReadImage(str(folder / f"{name}.nii.gz"), sitk.sitkFloat64) for name in ("fixed", "moving", "warped")
    )
    field = sitk.ReadImage(str(folder / "field.nii.gz"), sitk.sitkVectorFloat64)
    transform = sitk.DisplacementFieldTransform(field)
    expected = sitk.GetArrayFromImage(sitk.Resample(moving, fixed, transform, sitk.sitkLinear, 0.0))
    inside = sitk.GetArrayFromImage(sitk.Resample(interior(moving), fixed, transform, sitk.sitkLinear, 0.0)) == 1
    difference = np.abs(sitk.GetArrayFromImage(warped) - expected)[inside]
    assert inside.mean() > 0.2
    assert difference.mean() < 0.01 * np.ptp(expected)


@each_bundle
def test_the_field_is_a_vector_image_on_the_fixed_grid(bundle, registered):
    folder = registered(bundle)
    fixed, field = nib.load(folder / "fixed.nii.gz"), nib.load(folder / "field.nii.gz")
    assert field.shape == (*fixed.shape, 1, 3)
    assert int(field.header["intent_code"]) == 1007
    np.testing.assert_allclose(field.affine, fixed.affine, atol=1e-4)
    assert np.isfinite(field.get_fdata()).all()
