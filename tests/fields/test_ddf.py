import pytest
import torch
from scipy.ndimage import map_coordinates
from torch.testing import assert_close

from common.fields.ddf import warp
from common.fields.sampling import identity_grid

SHAPES = [(7, 9), (6, 7, 8)]


@pytest.mark.parametrize("shape", SHAPES)
def test_warp_keeps_channels_and_grid(shape):
    moving, ddf = torch.rand(2, 3, *shape), torch.zeros(2, len(shape), *shape)
    assert warp(moving, ddf).shape == (2, 3, *shape)


@pytest.mark.parametrize("shape", SHAPES)
def test_warp_by_zero_is_the_identity(shape, generator):
    moving = torch.rand(2, 1, *shape, generator=generator, dtype=torch.float64)
    assert_close(warp(moving, moving.new_zeros(2, len(shape), *shape)), moving)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_warp_by_integer_translation_shifts_the_image(axis, generator):
    moving = torch.rand(1, 1, 6, 7, 8, generator=generator, dtype=torch.float64)
    ddf = moving.new_zeros(1, 3, 6, 7, 8)
    ddf[:, axis] = 2
    inside = moving.shape[axis + 2] - 2
    assert_close(warp(moving, ddf).narrow(axis + 2, 0, inside), moving.narrow(axis + 2, 2, inside))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("padding_mode", "scipy_mode"), [("border", "nearest"), ("zeros", "grid-constant")])
def test_warp_equals_scipy_map_coordinates(shape, padding_mode, scipy_mode, smooth_ddf, generator):
    moving = torch.rand(1, 1, *shape, generator=generator, dtype=torch.float64)
    ddf = smooth_ddf(shape, 2.0, generator)
    coordinates = (identity_grid(list(shape), dtype=torch.float64) + ddf[0]).numpy()
    expected = map_coordinates(moving[0, 0].numpy(), coordinates, order=1, mode=scipy_mode, cval=0.0)
    assert_close(warp(moving, ddf, padding_mode=padding_mode)[0, 0], torch.from_numpy(expected))


def test_warp_nearest_makes_no_new_labels(smooth_ddf, generator):
    labels = torch.randint(0, 3, (1, 1, 6, 7, 8), generator=generator) * 7
    warped = warp(labels, smooth_ddf((6, 7, 8), 2.0, generator), mode="nearest")
    assert set(warped.unique().tolist()) <= {0.0, 7.0, 14.0}


def test_warp_takes_a_moving_image_of_another_size():
    assert warp(torch.ones(1, 1, 5, 9, 4), torch.zeros(1, 3, 6, 7, 8)).shape == (1, 1, 6, 7, 8)


@pytest.mark.parametrize("shape", [(3, 4), (3, 4, 3)])
def test_warp_gradients_in_image_and_field(shape, smooth_ddf, generator):
    moving = torch.rand(1, 1, *shape, generator=generator, dtype=torch.float64, requires_grad=True)
    ddf = (smooth_ddf(shape, 0.1, generator) + 0.31).requires_grad_()
    assert torch.autograd.gradcheck(warp, (moving, ddf), atol=1e-6)


def test_warp_names_expected_and_received_field():
    with pytest.raises(ValueError, match=r"expected a field .* got \[1, 2, 4, 4, 4\]"):
        warp(torch.zeros(1, 1, 4, 4, 4), torch.zeros(1, 2, 4, 4, 4))
