"""Chains of transforms against SimpleITK, on oblique, flipped, anisotropic grids of different sizes."""

import numpy as np
import pytest
import torch

from common.world.chain import Chain, FieldMap, LinearMap
from common.world.grid import Grid

sitk = pytest.importorskip("SimpleITK")
LPS = np.array([-1.0, -1.0, 1.0])


def rotation(axis, degrees):
    angle, (i, j) = np.deg2rad(degrees), [k for k in range(3) if k != axis]
    matrix = np.eye(3)
    matrix[[i, i, j, j], [i, j, i, j]] = np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)
    return matrix


def grid(shape, spacing, origin, turn, flips=(1, 1, 1)):
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag(np.array(spacing) * np.array(flips))
    affine[:3, 3] = origin
    return Grid(shape, torch.from_numpy(affine))


FIXED = grid((31, 26, 19), (1.1, 1.3, 2.0), (-18, -14, -20), rotation(2, 17) @ rotation(0, 9))
MOVING = grid((24, 30, 22), (1.6, 1.2, 1.7), (17, -19, -18), rotation(1, -12), flips=(-1, 1, 1))
FIELD = grid((16, 15, 17), (2.5, 2.5, 2.5), (-20, -19, -21), rotation(0, 4))


def to_sitk(volume, on, is_vector=False):
    """A volume (C, X, Y, Z) as SimpleITK's image; the affine from RAS to LPS."""
    array = volume.movedim(0, -1).numpy().transpose(2, 1, 0, 3)
    image = sitk.GetImageFromArray(array.astype(np.float64) if is_vector else array[..., 0], isVector=is_vector)
    affine = np.diag([*LPS, 1]) @ on.affine.numpy()
    image.SetSpacing(on.spacing)
    image.SetOrigin(affine[:3, 3].tolist())
    image.SetDirection((affine[:3, :3] / np.array(on.spacing)).flatten().tolist())
    return image


def smooth(shape, channels, seed, size):
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randn(1, channels, 5, 5, 5, generator=generator)
    return size * torch.nn.functional.interpolate(coarse, shape, mode="trilinear", align_corners=True)[0]


@pytest.fixture(scope="module")
def chain():
    matrix = torch.eye(4, dtype=torch.float64)
    matrix[:3, :3] = torch.from_numpy(rotation(1, 6) * 1.05)
    matrix[:3, 3] = torch.tensor([2.0, -1.0, 3.0])
    return Chain((FieldMap(smooth(FIELD.spatial_shape, 3, 1, 1.5), FIELD), LinearMap(matrix)))


@pytest.fixture(scope="module")
def sitk_chain(chain):
    field = to_sitk(chain.maps[0].field_mm * torch.from_numpy(LPS).float().view(3, 1, 1, 1), FIELD, is_vector=True)
    matrix = np.diag([*LPS, 1]) @ chain.maps[1].matrix.numpy() @ np.diag([*LPS, 1])
    affine = sitk.AffineTransform(3)
    affine.SetMatrix(matrix[:3, :3].flatten().tolist())
    affine.SetTranslation(matrix[:3, 3].tolist())
    return sitk.CompositeTransform([affine, sitk.DisplacementFieldTransform(field)])  # the last one first


@pytest.mark.parametrize(("interpolation", "mode"), [("linear", "sitkLinear"), ("nearest", "sitkNearestNeighbor")])
def test_an_image_is_resampled_as_by_simpleitk_up_to_its_border(chain, sitk_chain, interpolation, mode):
    image = smooth(MOVING.spatial_shape, 1, 2, 300.0)
    expected = sitk.Resample(to_sitk(image, MOVING), to_sitk(torch.zeros(1, *FIXED.spatial_shape), FIXED), sitk_chain,
                             getattr(sitk, mode), -1000.0)  # fmt: skip
    expected = torch.from_numpy(sitk.GetArrayFromImage(expected).transpose(2, 1, 0).copy())
    ours = chain.resample(image, MOVING, FIXED, interpolation, -1000.0)[0]
    assert 0.3 < (expected != -1000).double().mean() < 0.95
    assert ((ours == -1000) != (expected == -1000)).sum() <= 1
    assert (ours - expected).abs().quantile(0.9999) < 1e-3 * (image.max() - image.min())


def test_points_agree_with_simpleitk_also_beyond_the_field(chain, sitk_chain):
    points = FIELD.voxel_to_world(torch.rand(300, 3, generator=torch.Generator().manual_seed(3)) * 24 - 4)
    expected = np.array([np.array(sitk_chain.TransformPoint((p * LPS).tolist())) * LPS for p in points.numpy()])
    moved = chain.move_points(points)
    assert (moved - torch.from_numpy(expected)).abs().max() < 1e-3
    beyond = chain.maps[0](points) == points
    assert 0.2 < beyond.double().mean() < 0.8


def test_the_field_of_a_chain_is_the_chain(chain):
    field_mm = chain.field_on(FIXED)
    points = FIXED.voxel_to_world(torch.tensor([[3, 4, 5], [20, 11, 7]]))
    at_voxels = FieldMap(field_mm, FIXED)(points)
    assert (at_voxels - chain.move_points(points)).abs().max() < 1e-4


def test_the_inverse_leads_back_and_its_inverse_is_the_chain(chain):
    points = FIELD.voxel_to_world(torch.rand(200, 3, generator=torch.Generator().manual_seed(4)) * 8 + 4)
    assert (chain.inverse().move_points(chain.move_points(points)) - points).norm(dim=1).max() < 0.01
    twice = chain.inverse().inverse()
    assert torch.allclose(twice.move_points(points), chain.move_points(points), atol=1e-9)


def test_composed_means_one_after_the_other(chain):
    points = FIELD.voxel_to_world(torch.full((1, 3), 7.0))
    both = chain + chain
    assert torch.equal(both.move_points(points), chain.move_points(chain.move_points(points)))
    assert chain.matrix is None
    assert torch.equal(Chain(chain.maps[1:]).matrix, chain.maps[1].matrix)


def test_a_folded_field_warns_of_points_without_an_inverse():
    field_mm = torch.zeros(3, 12, 6, 6)
    field_mm[0, ::2] = 3.0
    folded = Chain((FieldMap(field_mm, Grid((12, 6, 6), torch.eye(4))),))
    with pytest.warns(UserWarning, match="where the field folds"):
        folded.inverse().move_points(torch.tensor([[5.3, 3.0, 3.0], [6.1, 3.0, 3.0]]))


def test_labels_take_the_largest_share_and_halves_round_up():
    image = torch.tensor([1.0, 1.0, 7.0]).view(1, 3, 1, 1)
    source = Grid((3, 1, 1), torch.eye(4))
    shift = torch.eye(4)
    shift[0, 3] = 0.5
    halves = Chain((LinearMap(shift),))
    assert halves.resample(image, source, source, "nearest").flatten().tolist() == [1.0, 7.0, 0.0]
    assert halves.resample(image, source, source, "label").flatten().tolist() == [1.0, 1.0, 0.0]
