import itertools

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from torch.testing import assert_close

from common.world.grid import Grid
from common.world.network_grid import network_grid

ORIENTATIONS = [
    "".join(letters) for order in itertools.permutations(("RL", "AP", "SI")) for letters in itertools.product(*order)
]


def test_grid_spacing_is_in_tensor_axis_order(world):
    assert world.grid("SLA", (1.5, 2.0, 0.7), 12.0).spacing == pytest.approx((1.5, 2.0, 0.7))


def test_grid_voxel_to_world_equals_nibabel(world):
    grid = world.grid("PSR", (1.5, 2.0, 0.7), 12.0, (5, -6, 7), (10, 20, 30))
    points = np.random.default_rng(0).normal(size=(5, 3))
    expected = nib.affines.apply_affine(grid.affine.numpy(), points)
    assert_close(grid.voxel_to_world(torch.from_numpy(points)), torch.from_numpy(expected))
    assert_close(grid.world_to_voxel(torch.from_numpy(expected)), torch.from_numpy(points))


def test_grid_keeps_its_own_affine():
    affine = torch.eye(4)
    grid = Grid((2, 2, 2), affine)
    affine[0, 3] = 9.0
    assert grid.affine.dtype == torch.float64
    assert grid.affine[0, 3] == 0


def test_48_orientations_are_tried():
    assert len(set(ORIENTATIONS)) == 48


@pytest.mark.parametrize("axcodes", ORIENTATIONS)
def test_network_grid_of_any_orientation_is_ras_and_has_the_same_voxels(axcodes, world):
    fixed = world.grid(axcodes, (1.0, 2.0, 3.0), (8.0, 10.0, 12.0), angles_deg=(8, -5, 12))
    network = network_grid(fixed)
    voxels = fixed.world_to_voxel(network.voxel_to_world(torch.from_numpy(np.argwhere(np.ones(network.spatial_shape)))))
    assert nib.aff2axcodes(network.affine.numpy()) == ("R", "A", "S")
    assert_close(voxels, voxels.round(), atol=1e-9, rtol=0)
    assert len(voxels.round().unique(dim=0)) == np.prod(fixed.spatial_shape)


def test_network_grid_keeps_obliqueness_and_center(world):
    fixed = world.grid("LPS", (1.0, 2.0, 3.0), (31.0, 40.0, 33.0), (4, 5, 6), (8, -5, 12))
    network = network_grid(fixed, spacing=1.5)
    directions = network.affine[:3, :3] / 1.5
    assert_close(directions[:, 0], -fixed.affine[:3, 0] / fixed.spacing[0])
    center = network.voxel_to_world((torch.tensor(network.spatial_shape) - 1) / 2)
    assert_close(center, torch.tensor([4.0, 5.0, 6.0], dtype=torch.float64))


def test_network_grid_with_a_new_spacing_covers_the_image(world):
    network = network_grid(world.grid("RAS", 1.0, (31.0, 40.0, 33.0)), spacing=(2.0, 1.0, 1.2))
    assert network.spatial_shape == (16, 40, 28)


@pytest.mark.parametrize(("shape", "first"), [((6, 6, 6), (2, 2, 2)), ((7, 11, -1), (1, -1, 0)), (16, (-3, -3, -3))])
def test_network_grid_crops_and_pads_by_whole_voxels(shape, first, world):
    fixed = world.grid("RAS", 1.0, 10.0)
    network = network_grid(fixed, spatial_shape=shape)
    assert_close(fixed.world_to_voxel(network.affine[:3, 3]), torch.tensor(first, dtype=torch.float64))


def test_network_grid_pads_to_multiples(world):
    fixed = world.grid("RAS", 1.0, (10.0, 16.0, 17.0))
    assert network_grid(fixed, divisible_by=8).spatial_shape == (16, 16, 24)
    assert network_grid(fixed, divisible_by=(1, 5, 17)).spatial_shape == (10, 20, 17)


@pytest.mark.parametrize(
    ("affine", "message"),
    [
        (torch.zeros(4, 4), "got a zero affine"),
        (torch.diag(torch.tensor([1.0, 0.0, 1.0, 1.0])), "expected an invertible"),
        (torch.full((4, 4), torch.nan), "expected a finite 4×4"),
        (torch.eye(3), "expected a finite 4×4"),
        (torch.ones(4, 4) + torch.eye(4), "last row 0 0 0 1"),
    ],
)
def test_grid_names_what_is_wrong_with_an_affine(affine, message):
    with pytest.raises(ValueError, match=message):
        Grid((4, 4, 4), affine)


def test_grid_from_image_names_the_file_with_a_zero_affine():
    image = MetaTensor(torch.zeros(1, 4, 4, 4), affine=torch.zeros(4, 4), meta={"filename_or_obj": "t1.nii.gz"})
    with pytest.raises(ValueError, match=r"t1.nii.gz: .*zero affine"):
        Grid.from_image(image)


def test_grid_from_image_refuses_a_plain_tensor():
    with pytest.raises(ValueError, match=r"expected a MetaTensor .* got a Tensor of shape \(1, 4, 4, 4\)"):
        Grid.from_image(torch.zeros(1, 4, 4, 4))


@pytest.mark.parametrize("options", [{"spacing": 0.0}, {"spacing": (1, 2)}, {"divisible_by": 0}, {"spatial_shape": 0}])
def test_network_grid_names_the_wrong_option(options, world):
    with pytest.raises(ValueError, match=next(iter(options))):
        network_grid(world.grid("RAS", 1.0, 10.0), **options)
