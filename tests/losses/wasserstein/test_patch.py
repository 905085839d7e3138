import ot
import pytest
import torch

from common.losses.wasserstein.directions import random_directions
from common.losses.wasserstein.patch import (
    PatchSlicedWassersteinLoss,
    extract_patches,
    patch_sliced_wasserstein,
    patch_starts,
)
from common.losses.wasserstein.sliced import voxel_rows


def coverage(size, cover_border):
    """How often every voxel of a cube is in a patch."""
    image = torch.zeros(1, 1, size, size, size, requires_grad=True)
    extract_patches(image, cover_border=cover_border).sum().backward()
    return image.grad[0, 0]


def test_48_voxels_give_512_patches_of_1331():
    assert extract_patches(torch.zeros(1, 1, 48, 48, 48)).shape == (512, 1331)


def test_patches_equal_those_of_unfold(generator):
    image = torch.randn(2, 1, 13, 12, 11, generator=generator)
    unfolded = image.unfold(2, 4, 3).unfold(3, 4, 3).unfold(4, 4, 3)
    assert torch.equal(extract_patches(image, 4, 3), unfolded.reshape(-1, 64))


def test_the_papers_patches_leave_two_border_planes_out():
    covered = coverage(48, cover_border=False) > 0
    assert covered[:46, :46, :46].all()
    assert not covered[46:].any()


def test_every_voxel_is_in_a_patch_where_the_border_is_covered():
    assert (coverage(48, cover_border=True) > 0).all()
    assert patch_starts(48, 11, 5, cover_border=True) == [0, 5, 10, 15, 20, 25, 30, 35, 37]


def test_distance_equals_a_loop_over_pot(generator):
    image, other = torch.randn(2, 1, 1, 9, 8, 8, generator=generator, dtype=torch.float64)
    directions = random_directions(11, 5, generator).double()
    rows = [voxel_rows(extract_patches(x, 4, 2), 5) for x in (image, other)]
    expected = [
        ot.sliced_wasserstein_distance(a, b, projections=directions.T, p=2) ** 2 for a, b in zip(*rows, strict=True)
    ]
    found = patch_sliced_wasserstein(image, other, directions, 4, 2)
    torch.testing.assert_close(found, torch.stack(expected).mean())


def test_equal_images_have_distance_zero(generator):
    image = torch.randn(1, 1, 16, 16, 16, generator=generator)
    assert PatchSlicedWassersteinLoss(num_projections=10)(image, image) == 0


def test_exchange_of_far_patches_is_seen_unlike_by_the_whole_image(generator):
    image = torch.zeros(1, 1, 22, 11, 11)
    image[:, :, :11] = torch.randn(11, 11, 11, generator=generator)
    assert patch_sliced_wasserstein(image, image.roll(11, dims=2), random_directions(9, 50, generator)) > 0.01


def test_gradient(generator):
    image, other = torch.randn(2, 1, 1, 5, 4, 4, generator=generator, dtype=torch.float64)
    directions = random_directions(3, 4, generator).double()
    image.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: patch_sliced_wasserstein(x, other, directions, 3, 1), (image,))


def test_image_smaller_than_a_patch_is_refused():
    with pytest.raises(ValueError, match="expected patch_size in 1 … 8"):
        extract_patches(torch.zeros(1, 1, 8, 16, 16))
