import torch

from common.fields.shrink import resample_smoothly, shrink
from common.fields.world import Grid


def test_shrinking_keeps_a_linear_image_linear_in_world_space():
    affine = torch.tensor([[0.0, -1.0, 0, 5], [1.0, 0, 0, -3], [0, 0, 2.5, 1], [0, 0, 0, 1]])
    grid = Grid((8, 12, 6), affine)
    world = grid.voxel_to_world(torch.stack(torch.meshgrid(*map(torch.arange, grid.spatial_shape), indexing="ij"), -1))
    image = (world @ torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64))[None].float()
    small, small_grid = shrink(image, grid, 2.5)
    index = torch.stack(torch.meshgrid(*map(torch.arange, small_grid.spatial_shape), indexing="ij"), -1)
    expected = small_grid.voxel_to_world(index) @ torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
    assert small_grid.spatial_shape == (4, 6, 6)
    torch.testing.assert_close(small[0].double(), expected, atol=1e-4, rtol=0)


def test_thick_slices_are_not_averaged():
    _, grid = shrink(torch.zeros(1, 16, 16, 3), Grid((16, 16, 3), torch.diag(torch.tensor([1.0, 1, 6, 1]))), 4.0)
    assert grid.spatial_shape == (4, 4, 3)


def test_the_mean_of_noise_survives_a_coarse_grid(generator):
    noise = torch.randn(1, 32, 32, 32, generator=generator)
    target = Grid((4, 4, 4), torch.diag(torch.tensor([8.0, 8.0, 8.0, 1.0])))
    smooth = resample_smoothly(noise, Grid((32, 32, 32), torch.eye(4)), target)
    assert smooth.std() < 0.1  # a plain interpolation would keep about 1
