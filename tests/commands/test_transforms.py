"""Commands on saved transforms, from files to files, against SimpleITK and, where it is installed, ANTs."""

import nibabel as nib
import numpy as np
import pytest
import torch

from common.commands.apply import apply
from common.commands.transforms import compose, convert, invert, jacobian
from common.registration.landmarks import Landmarks, read_landmarks, write_landmarks
from common.world.chain import Chain, LinearMap
from common.world.files import save_field, save_image
from common.world.grid import Grid
from common.world.transform_files import read_transform, write_transform

sitk = pytest.importorskip("SimpleITK")
TURN = torch.tensor([[0.8, -0.6, 0.0, -9.0], [0.6, 0.8, 0.0, 4.0], [0.0, 0.0, 1.0, -3.0], [0, 0, 0, 1.0]])
FIXED = Grid((20, 18, 9), TURN.double() @ torch.diag(torch.tensor([1.0, 1.2, 2.5, 1.0])).double())
MOVING = Grid((17, 24, 14), torch.tensor([[-1.3, 0, 0, 9], [0, 1.1, 0, -9], [0, 0, 1.7, -4], [0, 0, 0, 1.0]]))


@pytest.fixture
def files(tmp_path):
    """A pair, a field and an affine map; LABELS has three classes."""
    generator = torch.Generator().manual_seed(5)
    coarse = torch.randn(1, 3, 4, 4, 4, generator=generator)
    field = 1.5 * torch.nn.functional.interpolate(coarse, FIXED.spatial_shape, mode="trilinear", align_corners=True)[0]
    matrix = torch.eye(4, dtype=torch.float64)
    matrix[:3, 3] = torch.tensor([1.0, -2.0, 0.5])
    matrix[0, 1] = 0.1
    save_image(tmp_path / "fixed.nii.gz", torch.rand(FIXED.spatial_shape, generator=generator), FIXED)
    save_image(tmp_path / "moving.nii.gz", torch.rand(MOVING.spatial_shape, generator=generator), MOVING)
    labels = torch.randint(0, 3, MOVING.spatial_shape, generator=generator) * 700
    save_image(tmp_path / "labels.nii.gz", labels, MOVING, "int16")
    save_field(tmp_path / "field.nii.gz", field, FIXED)
    write_transform(tmp_path / "affine.mat", Chain((LinearMap(matrix),)))
    return tmp_path


def by_simpleitk(files, image, mode):
    field = sitk.DisplacementFieldTransform(sitk.ReadImage(str(files / "field.nii.gz"), sitk.sitkVectorFloat64))
    chain = sitk.CompositeTransform([sitk.ReadTransform(str(files / "affine.mat")), field])
    images = [sitk.ReadImage(str(files / name)) for name in (image, "fixed.nii.gz")]
    return sitk.GetArrayFromImage(sitk.Resample(*images, chain, mode, 0.0)).transpose(2, 1, 0)


@pytest.mark.parametrize(
    ("image", "interpolation", "mode"),
    [("moving", "linear", sitk.sitkLinear), ("labels", "nearest", sitk.sitkNearestNeighbor)],
)
def test_apply_is_simpleitks_resampling(files, image, interpolation, mode):
    both = f"{files}/field.nii.gz,{files}/affine.mat"
    moving, reference = str(files / f"{image}.nii.gz"), str(files / "fixed.nii.gz")
    apply(both, str(files / "out.nii.gz"), moving, reference, interpolation=interpolation)
    ours, expected = nib.load(files / "out.nii.gz"), by_simpleitk(files, f"{image}.nii.gz", mode)
    assert (ours.get_fdata() != 0).mean() > 0.2
    different = np.abs(ours.get_fdata() - expected) > 1e-3 * np.ptp(expected)
    assert different.mean() < 1e-3
    assert ours.get_data_dtype() == ("float32" if image == "moving" else "int16")


@pytest.mark.parametrize(
    ("image", "interpolation", "theirs"), [("moving", "linear", "linear"), ("labels", "nearest", "nearestNeighbor")]
)
def test_apply_is_ants_apply_transforms(files, image, interpolation, theirs):
    ants = pytest.importorskip("ants")
    chain = [str(files / "field.nii.gz"), str(files / "affine.mat")]
    fixed, moving = (ants.image_read(str(files / f"{name}.nii.gz")) for name in ("fixed", image))
    expected = ants.apply_transforms(fixed, moving, chain, interpolator=theirs).numpy()
    paths = (str(files / "out.nii.gz"), str(files / f"{image}.nii.gz"), str(files / "fixed.nii.gz"))
    apply(",".join(chain), *paths, interpolation=interpolation)
    assert (expected != 0).mean() > 0.2
    different = np.abs(nib.load(files / "out.nii.gz").get_fdata() - expected) > 1e-3 * np.ptp(expected)
    assert different.mean() < 1e-3


def test_points_move_as_by_ants(files):
    ants, pandas = pytest.importorskip("ants"), pytest.importorskip("pandas")
    chain = [str(files / "field.nii.gz"), str(files / "affine.mat")]
    points = FIXED.voxel_to_world(torch.tensor([[9.0, 8, 4], [12, 6, 5], [3, 11, 2]]))
    write_landmarks(files / "p.csv", Landmarks(points, ("a", "b", "c")))
    apply(",".join(chain), str(files / "q.csv"), points=str(files / "p.csv"))
    lps = pandas.DataFrame(points.numpy() * [-1, -1, 1], columns=["x", "y", "z"])
    expected = ants.apply_transforms_to_points(3, lps, chain)[["x", "y", "z"]].to_numpy() * [-1, -1, 1]
    assert np.abs(read_landmarks(files / "q.csv").points_mm.numpy() - expected).max() < 0.01


def test_points_move_as_the_composed_transform_moves_them_and_back(files):
    points = FIXED.voxel_to_world(torch.tensor([[9.0, 8, 4], [12, 6, 5]]))
    write_landmarks(files / "p.csv", Landmarks(points, ("a", "b")))
    apply(f"{files}/field.nii.gz,{files}/affine.mat", str(files / "q.fcsv"), points=str(files / "p.csv"))
    field, affine = (read_transform(files / name) for name in ("field.nii.gz", "affine.mat"))
    moved = read_landmarks(files / "q.fcsv").points_mm
    assert torch.allclose(moved, affine.move_points(field.move_points(points)), atol=1e-3)
    back = f"inverse:{files}/affine.mat,inverse:{files}/field.nii.gz"
    apply(back, str(files / "r.csv"), points=str(files / "q.fcsv"))
    assert torch.allclose(read_landmarks(files / "r.csv").points_mm, points, atol=0.01)


def test_compose_equals_one_after_the_other_and_invert_leads_back(files):
    both = f"{files}/field.nii.gz,{files}/affine.mat"
    compose(both, str(files / "total.nii.gz"))
    invert(both, str(files / "back.nii.gz"), reference=str(files / "moving.nii.gz"))
    names = ("field.nii.gz", "affine.mat", "total.nii.gz", "back.nii.gz")
    field, affine, total, back = (read_transform(files / name) for name in names)
    points = FIXED.voxel_to_world(torch.tensor([[9.0, 8, 4], [12, 6, 5]]))
    assert torch.allclose(total.move_points(points), affine.move_points(field.move_points(points)), atol=1e-4)
    assert back.maps[0].grid.coincides_with(MOVING, 1e-3)
    voxels = MOVING.voxel_to_world(torch.tensor([[11.0, 21, 7], [12, 22, 6]]))
    assert (affine.move_points(field.move_points(back.move_points(voxels))) - voxels).norm(dim=1).max() < 0.01


def test_affine_maps_stay_affine(files):
    compose(f"{files}/affine.mat,{files}/affine.mat", str(files / "twice.tfm"))
    invert(str(files / "twice.tfm"), str(files / "back.txt"))
    once = read_transform(files / "affine.mat").matrix
    assert torch.allclose(read_transform(files / "back.txt").matrix @ once @ once, torch.eye(4).double(), atol=1e-9)


def test_convert_for_fsl_needs_both_images(files):
    with pytest.raises(ValueError, match="expected --fixed and --moving beside --to fsl"):
        convert(str(files / "affine.mat"), str(files / "flirt.mat"), to="fsl")
    images = {name: str(files / f"{name}.nii.gz") for name in ("fixed", "moving")}
    convert(str(files / "affine.mat"), str(files / "flirt.mat"), to="fsl", **images)
    assert np.loadtxt(files / "flirt.mat").shape == (4, 4)


def test_the_jacobian_of_a_scaling_is_its_volume(files):
    matrix = torch.diag(torch.tensor([1.2, 1.0, 0.5, 1.0]))
    write_transform(files / "scale.tfm", Chain((LinearMap(matrix),)))
    scores = jacobian(str(files / "scale.tfm"), str(files / "jacobian.nii.gz"), str(files / "fixed.nii.gz"))
    assert scores["folding_fraction"] == 0
    np.testing.assert_allclose(nib.load(files / "jacobian.nii.gz").get_fdata(), 0.6, rtol=1e-4)
    with pytest.raises(ValueError, match="expected --reference beside affine maps"):
        jacobian(str(files / "scale.tfm"), str(files / "other.nii.gz"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"transforms": "", "image": "moving"}, "expected files, separated by commas"),
        ({"transforms": "affine.mat"}, "expected either --image or --points"),
        ({"transforms": "affine.mat", "image": "moving"}, "expected --reference beside --image"),
        ({"transforms": "affine.mat", "image": "moving", "interpolation": "cubic"}, "interpolation: expected"),
    ],
)
def test_what_is_missing_is_named(files, monkeypatch, arguments, message):
    monkeypatch.chdir(files)
    with pytest.raises(ValueError, match=message):
        apply(output="out.nii.gz", **arguments)
    assert not (files / "out.nii.gz").exists()
