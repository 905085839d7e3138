"""Transforms on disk, against SimpleITK's reader and writer and against FSL's formula."""

import nibabel as nib
import numpy as np
import pytest
import torch

from common.world.chain import Chain, FieldMap, LinearMap
from common.world.files import save_field
from common.world.grid import Grid
from common.world.transform_files import (
    flirt_matrix,
    fnirt_field,
    read_transform,
    write_for_fsl,
    write_transform,
)

sitk = pytest.importorskip("SimpleITK")
LPS = np.array([-1.0, -1.0, 1.0])
POINTS = torch.tensor([[3.0, -7.0, 11.0], [-20.0, 4.0, 0.5], [0.0, 0.0, 0.0]], dtype=torch.float64)


@pytest.fixture
def chain():
    matrix = torch.tensor([[1.1, 0.2, 0.0, 4.0], [-0.1, 0.9, 0.3, -2.0], [0.0, 0.1, 1.0, 7.0], [0, 0, 0, 1]])
    return Chain((LinearMap(matrix.double()),))


def euler():
    transform = sitk.Euler3DTransform()
    transform.SetCenter((10.0, -5.0, 3.0))
    transform.SetRotation(0.1, -0.2, 0.3)
    transform.SetTranslation((1.0, 2.0, -3.0))
    return transform


def affine():
    transform = sitk.AffineTransform(3)
    transform.SetCenter((4.0, 5.0, -6.0))
    transform.Scale((1.2, 0.9, 1.1))
    transform.Shear(0, 1, 0.2)
    transform.SetTranslation((-4.0, 1.0, 2.0))
    return transform


def field():
    image = sitk.Image((9, 10, 11), sitk.sitkVectorFloat64)
    array = np.random.default_rng(0).normal(size=(11, 10, 9, 3))
    image = sitk.GetImageFromArray(array, isVector=True)
    image.SetOrigin((-25.0, -14.0, -8.0))
    image.SetSpacing((5.0, 3.0, 2.0))
    return sitk.DisplacementFieldTransform(image)


def moved_by_simpleitk(transform):
    return torch.tensor(
        np.array([np.array(transform.TransformPoint((p * LPS).tolist())) * LPS for p in POINTS.numpy()])
    )


@pytest.mark.parametrize("suffix", [".tfm", ".txt", ".mat", ".h5"])
@pytest.mark.parametrize("make", [affine, euler, lambda: sitk.TranslationTransform(3, (1.0, 2.0, 3.0))])
def test_a_transform_of_itk_moves_points_as_itk_does(tmp_path, make, suffix):
    transform, path = make(), str(tmp_path / f"itk{suffix}")
    sitk.WriteTransform(transform, path)
    assert torch.allclose(read_transform(path).move_points(POINTS), moved_by_simpleitk(transform), atol=1e-4)


@pytest.mark.parametrize("suffix", [".tfm", ".h5"])
def test_a_composite_keeps_its_order(tmp_path, suffix):
    parts = [affine(), euler(), affine()] if suffix == ".tfm" else [affine(), field(), euler()]
    composite, path = sitk.CompositeTransform(parts), str(tmp_path / f"all{suffix}")
    sitk.WriteTransform(composite, path)
    assert torch.allclose(read_transform(path).move_points(POINTS), moved_by_simpleitk(composite), atol=1e-4)


@pytest.mark.parametrize("suffix", [".tfm", ".mat"])
def test_itk_reads_what_is_written(tmp_path, chain, suffix):
    write_transform(tmp_path / f"ours{suffix}", chain)
    transform = sitk.ReadTransform(str(tmp_path / f"ours{suffix}"))
    assert torch.allclose(chain.move_points(POINTS), moved_by_simpleitk(transform), atol=1e-9)


@pytest.mark.parametrize("suffix", [".tfm", ".mat", ".txt"])
def test_an_affine_map_is_read_back_exactly(tmp_path, chain, suffix):
    write_transform(tmp_path / f"ours{suffix}", chain)
    assert torch.allclose(read_transform(tmp_path / f"ours{suffix}").matrix, chain.matrix, rtol=0, atol=1e-12)


def test_a_chain_with_a_field_becomes_one_field(tmp_path, chain):
    grid = Grid((6, 7, 8), torch.diag(torch.tensor([3.0, 3.0, 3.0, 1.0])))
    noise = torch.randn(3, 6, 7, 8, generator=torch.Generator().manual_seed(0))
    both = Chain((FieldMap(noise, grid),)) + chain
    write_transform(tmp_path / "both.nii.gz", both)
    points = grid.voxel_to_world(torch.tensor([[1, 2, 3], [5, 6, 7]]))
    assert (read_transform(tmp_path / "both.nii.gz").move_points(points) - both.move_points(points)).abs().max() < 1e-4
    with pytest.raises(ValueError, match=r"both.tfm: expected one affine map .* got a field"):
        write_transform(tmp_path / "both.tfm", both)
    with pytest.raises(ValueError, match="expected a reference image beside"):
        write_transform(tmp_path / "affine.nii.gz", chain)


def test_a_folder_of_a_registration_stands_for_its_field(tmp_path):
    grid = Grid((2, 2, 2), torch.eye(4))
    save_field(tmp_path / "field.nii.gz", torch.full((3, 2, 2, 2), 2.0), grid)
    assert read_transform(tmp_path).move_points(torch.zeros(1, 3)).tolist() == [[2.0, 2.0, 2.0]]


def fsl_coordinates(grid, points_mm):
    """FSL's coordinates by their definition: voxel times size, the first axis reversed for a positive determinant."""
    voxels = grid.world_to_voxel(points_mm)
    if torch.linalg.det(grid.affine) > 0:
        voxels = voxels * torch.tensor([-1.0, 1.0, 1.0]) + torch.tensor([grid.spatial_shape[0] - 1.0, 0.0, 0.0])
    return voxels * torch.tensor(grid.spacing)


FIXED = Grid((9, 8, 7), torch.diag(torch.tensor([2.0, 3.0, 2.5, 1.0])))
MOVING = Grid((6, 10, 8), torch.tensor([[-2.0, 0, 0, 5], [0, 0, 3.0, -4], [0, 1.5, 0, 2], [0, 0, 0, 1]]))


def test_the_matrix_for_flirt_leads_from_moving_to_fixed_coordinates(tmp_path, chain):
    matrix = flirt_matrix(chain, FIXED, MOVING)
    start = fsl_coordinates(MOVING, chain.move_points(POINTS))
    assert torch.allclose(start @ matrix[:3, :3].T + matrix[:3, 3], fsl_coordinates(FIXED, POINTS), atol=1e-9)
    write_for_fsl(tmp_path / "flirt.mat", chain, FIXED, MOVING)
    np.testing.assert_allclose(np.loadtxt(tmp_path / "flirt.mat"), matrix.numpy(), rtol=1e-12)


def test_the_field_for_applywarp_is_relative_in_fsl_coordinates(tmp_path, chain):
    field_fsl = fnirt_field(chain, FIXED, MOVING)
    voxel = torch.tensor([[4, 3, 2]])
    point = FIXED.voxel_to_world(voxel)
    expected = fsl_coordinates(MOVING, chain.move_points(point)) - fsl_coordinates(FIXED, point)
    assert torch.allclose(field_fsl[4, 3, 2].double(), expected[0], atol=1e-5)
    write_for_fsl(tmp_path / "warp.nii.gz", chain, FIXED, MOVING)
    image = nib.load(tmp_path / "warp.nii.gz")
    assert (image.shape, int(image.header["intent_code"])) == ((9, 8, 7, 3), 2006)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.tfm", b"nothing", "expected an ITK transform, or four rows"),
        ("a.tfm", b"#Insight Transform File V1.0\n", "got a file without any"),
        ("a.txt", b"1 0 0\n0 1 0\n", "expected an ITK transform, or four rows"),
        ("a.txt", b"1 0 0 0\n0 0 0 0\n0 0 1 0\n0 0 0 1\n", "expected a finite, invertible matrix"),
        ("a.mat", b"1 0 0 0\n0 1 0 0\n0 0 1 0\n0 0 0 1\n", "FSL's matrices mean nothing without their two images"),
        ("a.lta", b"type = 0", "expected a displacement field"),
        ("a.txt", b"\xff\xfe", "expected text"),
    ],
)
def test_another_file_is_refused_by_name(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=f"{name}: .*{message}"):
        read_transform(tmp_path / name)
