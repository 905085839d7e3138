import pytest
import torch
from torch.testing import assert_close

from common.fields.sampling import check_ddf, identity_grid, sample


def test_identity_grid_has_one_component_per_axis():
    assert identity_grid([2, 3, 4]).shape == (3, 2, 3, 4)


def test_identity_grid_component_k_is_the_index_along_axis_k():
    assert identity_grid([2, 3, 4])[:, 1, 2, 3].tolist() == [1, 2, 3]


def test_sample_takes_any_output_shape():
    image, coordinates = torch.rand(2, 4, 5, 6, 7), torch.zeros(2, 3, 9, 1, 1)
    assert sample(image, coordinates).shape == (2, 4, 9, 1, 1)


@pytest.mark.parametrize("shape", [(6, 7), (5, 6, 7)])
def test_sample_at_the_identity_returns_the_image(shape, generator):
    image = torch.rand(1, 2, *shape, generator=generator, dtype=torch.float64)
    assert_close(sample(image, identity_grid(list(shape), dtype=torch.float64)[None]), image)


def test_sample_nearest_takes_the_closest_voxel():
    image = torch.tensor([[[[3.0, 8.0, 5.0]] * 2]])
    assert sample(image, torch.tensor([0.4, 1.4]).view(1, 2, 1, 1), mode="nearest").item() == 8


def test_sample_repeats_the_border_or_puts_zeros_outside():
    image, outside = torch.full((1, 1, 3, 3), 4.0), torch.tensor([1.0, 2.5]).view(1, 2, 1, 1)
    assert sample(image, outside, padding_mode="border").item() == 4
    assert sample(image, outside, padding_mode="zeros").item() == pytest.approx(2)


@pytest.mark.parametrize(("position", "expected"), [(-0.25, 3.0), (0.0, 4.0), (0.5, 2.0), (1.0, 0.0)])
def test_sample_fades_to_zero_along_an_axis_of_one_voxel(position, expected):
    image = torch.full((1, 1, 1, 3), 4.0)
    coordinates = torch.tensor([position, 1.0]).view(1, 2, 1, 1)
    assert sample(image, coordinates, padding_mode="zeros").item() == pytest.approx(expected)
    assert sample(image, coordinates, padding_mode="border").item() == 4


def test_sample_keeps_a_third_of_a_voxel_at_voxel_150_of_a_float16_image():
    image = torch.arange(512.0).expand(1, 1, 2, 512).half()
    position = torch.tensor([0.0, 150.3]).view(1, 2, 1, 1)
    assert sample(image, position).dtype == torch.float32
    assert sample(image, position).item() == pytest.approx(150.3, abs=1e-3)


def test_sample_computes_in_the_wider_of_two_dtypes():
    image, coordinates = torch.rand(1, 1, 3, 3), torch.zeros(1, 2, 3, 3, dtype=torch.float64)
    assert sample(image, coordinates).dtype == torch.float64


def test_sample_names_expected_and_received_coordinates():
    with pytest.raises(ValueError, match=r"\(B, 3, \*out\).*got \[1, 2, 4, 4, 4\]"):
        sample(torch.zeros(1, 1, 4, 4, 4), torch.zeros(1, 2, 4, 4, 4))


@pytest.mark.parametrize("shape", [(1, 3, 8, 8), (1, 2, 8, 8, 8), (3, 8, 8, 8), (1, 1, 8)])
def test_check_ddf_refuses_a_wrong_number_of_components(shape):
    with pytest.raises(ValueError, match=r"got \["):
        check_ddf(torch.zeros(shape))
