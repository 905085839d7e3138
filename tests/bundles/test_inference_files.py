"""The files that a bundle's inference.json leaves behind, as SimpleITK reads them."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser, ConfigWorkflow

from common.data.sample.chest import write_sample_chest

sitk = pytest.importorskip("SimpleITK")

ROOT = Path(__file__).parents[2]
BUNDLES = sorted(path.parent.parent for path in ROOT.glob("bundles/*/configs/inference.json"))
OF_CHESTS = ["cyclical_self_training_points"]
LEAST_SHARE = {"any_contrast": 0.05}  # of the fixed image that is compared: noise, which it moves out of view
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
    nib.save(nib.Nifti1Image(100 * volume.numpy() - 50, affine), path)


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


def write_label(folder):
    """Two classes in the moving image."""
    moving = nib.load(folder / "moving.nii.gz")
    values = moving.get_fdata()
    label = np.digitize(values, np.quantile(values, [0.4, 0.7])).astype(np.uint8)
    nib.save(nib.Nifti1Image(label, moving.affine), folder / "moving_label.nii.gz")


def run(bundle, folder, **overrides):
    workflow = ConfigWorkflow(
        str(bundle / "configs" / "inference.json"),
        workflow_type="infer",
        logging_file=False,
        bundle_root=str(bundle),
        output_dir=str(folder),
        **overrides,
    )
    workflow.initialize()
    workflow.run()


@pytest.fixture(scope="module")
def registered(tmp_path_factory):
    """Registers an oblique, flipped, anisotropic pair of different sizes once per bundle, from a list with a label.

    Returns the folder of the pair and that of its results.
    """
    done = {}

    def register(bundle):
        if bundle not in done:
            folder = tmp_path_factory.mktemp(bundle.name)
            (write_chest_pair if bundle.name in OF_CHESTS else write_blob_pair)(folder)
            write_label(folder)
            pair = {name: f"{name}.nii.gz" for name in ("fixed", "moving", "moving_label")}
            (folder / "pairs.json").write_text(json.dumps([{**pair, "fixed_label": "fixed.nii.gz"}]))
            run(bundle, folder, dataset_dir=str(folder / "pairs.json"))
            done[bundle] = folder, folder / "pair0"
        return done[bundle]

    return register


def interior(image: sitk.Image) -> sitk.Image:
    """1 but for the border voxels, between whose centers and edges ITK repeats the border and we fade to 0."""
    mask = np.zeros(image.GetSize()[::-1])
    mask[1:-1, 1:-1, 1:-1] = 1
    mask = sitk.GetImageFromArray(mask)
    mask.CopyInformation(image)
    return mask


def read(path):
    return sitk.ReadImage(str(path), sitk.sitkFloat64)


def assert_simpleitk_gets_the_warped_image(folder, results, least_share=0.2):
    fixed, moving, warped = (
        read(path) for path in (folder / "fixed.nii.gz", folder / "moving.nii.gz", results / "warped.nii.gz")
    )
    field = sitk.ReadImage(str(results / "field.nii.gz"), sitk.sitkVectorFloat64)
    transform = sitk.DisplacementFieldTransform(field)
    expected = sitk.GetArrayFromImage(sitk.Resample(moving, fixed, transform, sitk.sitkLinear, 0.0))
    inside = sitk.GetArrayFromImage(sitk.Resample(interior(moving), fixed, transform, sitk.sitkLinear, 0.0)) == 1
    difference = np.abs(sitk.GetArrayFromImage(warped) - expected)[inside]
    assert inside.mean() > least_share
    assert difference.mean() < 0.01 * np.ptp(expected)


@each_bundle
def test_simpleitk_applies_the_field_and_gets_the_warped_image(bundle, registered):
    assert_simpleitk_gets_the_warped_image(*registered(bundle), LEAST_SHARE.get(bundle.name, 0.2))


@each_bundle
def test_simpleitk_applies_the_field_to_the_label_map_and_gets_the_warped_one(bundle, registered):
    folder, results = registered(bundle)
    fixed, label, warped = (
        read(path)
        for path in (folder / "fixed.nii.gz", folder / "moving_label.nii.gz", results / "warped_label.nii.gz")
    )
    field = sitk.ReadImage(str(results / "field.nii.gz"), sitk.sitkVectorFloat64)
    transform = sitk.DisplacementFieldTransform(field)
    expected = sitk.GetArrayFromImage(sitk.Resample(label, fixed, transform, sitk.sitkNearestNeighbor, 0.0))
    found = sitk.GetArrayFromImage(warped)
    assert set(np.unique(found)) == {0, 1, 2}
    assert (found == expected).mean() > 0.98


@each_bundle
def test_the_lowest_intensity_lies_outside_the_moving_image(bundle, registered):
    folder, results = registered(bundle)
    moving, warped = (nib.load(path).get_fdata() for path in (folder / "moving.nii.gz", results / "warped.nii.gz"))
    assert warped.min() == moving.min() < 0
    assert (warped == moving.min()).sum() > 10


@each_bundle
def test_the_field_is_a_vector_image_on_the_fixed_grid(bundle, registered):
    folder, results = registered(bundle)
    fixed, field = nib.load(folder / "fixed.nii.gz"), nib.load(results / "field.nii.gz")
    assert field.shape == (*fixed.shape, 1, 3)
    assert int(field.header["intent_code"]) == 1007
    np.testing.assert_allclose(field.affine, fixed.affine, atol=1e-4)
    assert np.isfinite(field.get_fdata()).all()


def test_a_ct_leaves_the_network_in_hounsfield_units(tmp_path):
    for seed, name in enumerate(("fixed", "moving")):
        write_blobs(tmp_path / f"{name}.nii.gz", (20, 20, 16), np.eye(4), seed)
        image = nib.load(tmp_path / f"{name}.nii.gz")
        nib.save(nib.Nifti1Image(20 * image.get_fdata(dtype=np.float32), np.eye(4)), tmp_path / f"{name}.nii.gz")
    small = {"input_kind": "ct", "spatial_shape": [20, 20, 16], "spacing_mm": 1.0, "num_adam_iterations": 2}
    files = {name: str(tmp_path / f"{name}.nii.gz") for name in ("fixed", "moving")}
    run(ROOT / "bundles" / "cyclical_self_training", tmp_path, **files, **small)
    assert_simpleitk_gets_the_warped_image(tmp_path, tmp_path)


WORLD = {
    "cyclical_self_training": {"input_kind": "ct"},
    "cyclical_self_training_points": {},
    "mcd_pemd": {},
    "mine_voxelmorph": {},
    "wasserstein_voxelmorph": {"alignment": "world"},
}
CENTER = {
    "cyclical_self_training": {},
    "mine_voxelmorph": {"alignment": "center"},
    "wasserstein_voxelmorph": {},
}


@pytest.fixture
def far_pair(tmp_path):
    files = {name: str(tmp_path / f"{name}.nii.gz") for name in ("fixed", "moving")}
    for name, shift_mm in (("fixed", 0), ("moving", 500)):
        write_blobs(files[name], (20, 20, 16), oblique_affine([1, 1, 1], [0, 0], [1, 1, 1], [shift_mm, 0, 0]), 0)
    return files


def loading(name, overrides):
    """The first step of a bundle's preprocessing."""
    parser = ConfigParser(ConfigParser.load_config_file(ROOT / "bundles" / name / "configs" / "inference.json"))
    parser.update(overrides)
    return parser.get_parsed_content("preprocessing#transforms#0")


@pytest.mark.parametrize("name", WORLD)
def test_a_pair_without_overlap_is_refused_where_world_positions_count(name, far_pair):
    with pytest.raises(ValueError, match=r"fixed\.nii\.gz and .*moving\.nii\.gz: expected images that overlap"):
        loading(name, WORLD[name])(far_pair)


@pytest.mark.parametrize("name", CENTER)
def test_a_pair_without_overlap_is_read_where_centers_are_laid_on_each_other(name, far_pair):
    assert loading(name, CENTER[name])(far_pair)["moving"].shape == (1, 20, 20, 16)


@pytest.mark.parametrize("name", WORLD)
def test_contradicting_forms_are_refused_unless_header_tells_which_to_trust(name, far_pair):
    image = nib.load(far_pair["fixed"])
    image.set_qform(oblique_affine([1, 1, 1], [0, 0], [-1, -1, 1], [500, 0, 0]), code=1)
    nib.save(image, far_pair["fixed"])
    with pytest.raises(ValueError, match=r"fixed\.nii\.gz: expected sform and qform to agree"):
        loading(name, {})(far_pair)
    assert loading(name, {"header": "qform", **CENTER.get(name, {})})(far_pair)["fixed"].affine[0, 0] == -1
