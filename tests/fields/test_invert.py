import pytest
import torch
from torch.testing import assert_close

from common.fields.ddf import compose, invert

SHAPES = [(21, 22), (15, 16, 17)]


@pytest.mark.parametrize("shape", SHAPES)
def test_invert_keeps_the_shape(shape):
    assert invert(torch.zeros(2, len(shape), *shape)).shape == (2, len(shape), *shape)


@pytest.mark.parametrize("shape", SHAPES)
def test_invert_of_a_translation_is_the_opposite_translation(shape):
    ddf = torch.full((1, len(shape), *shape), 0.7, dtype=torch.float64)
    assert_close(invert(ddf), -ddf)


@pytest.mark.parametrize("shape", SHAPES)
def test_compose_with_the_inverse_is_the_identity(shape, smooth_ddf, generator):
    ddf = smooth_ddf(shape, 0.5, generator)
    assert_close(compose(ddf, invert(ddf)), torch.zeros_like(ddf), atol=1e-6, rtol=0)


def test_inverse_after_the_field_is_the_identity_in_the_interior(smooth_ddf, generator):
    ddf = smooth_ddf((41, 42), 2.0, generator)
    assert compose(invert(ddf), ddf)[..., 4:-4, 4:-4].abs().max() < 0.02


def test_invert_of_an_affine_map_is_the_inverse_matrix(linear_ddf):
    matrix = torch.tensor([[1.1, 0.1], [-0.05, 0.95]], dtype=torch.float64)
    inverse = invert(linear_ddf((21, 22), matrix))
    assert_close(inverse[..., 4:-4, 4:-4], linear_ddf((21, 22), torch.linalg.inv(matrix))[..., 4:-4, 4:-4])


def test_invert_error_falls_by_the_lipschitz_constant(linear_ddf):
    ddf = linear_ddf((21, 22), 1.25 * torch.eye(2, dtype=torch.float64))
    exact = linear_ddf((21, 22), 0.8 * torch.eye(2, dtype=torch.float64))
    errors = [(invert(ddf, num_iterations) - exact)[..., 8:-8, 8:-8].abs().max() for num_iterations in (4, 5)]
    assert errors[0] / errors[1] == pytest.approx(1 / 0.25)


def test_invert_gradient_in_the_field(smooth_ddf, generator):
    ddf = (smooth_ddf((3, 4), 0.1, generator) + 0.31).requires_grad_()
    assert torch.autograd.gradcheck(lambda u: invert(u, num_iterations=3), ddf, atol=1e-6)


def test_invert_names_expected_and_received_field():
    with pytest.raises(ValueError, match=r"expected a field .* got \[1, 3, 4, 4\]"):
        invert(torch.zeros(1, 3, 4, 4))
