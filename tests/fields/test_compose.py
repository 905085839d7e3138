import pytest
import torch
from torch.testing import assert_close

from common.fields.ddf import compose, warp

SHAPES = [(15, 17), (13, 14, 15)]


def interior(field, margin):
    for axis in range(2, field.ndim):
        field = field.narrow(axis, margin, field.shape[axis] - 2 * margin)
    return field


def shear(spatial_dims):
    matrix = torch.eye(spatial_dims, dtype=torch.float64)
    matrix[0, 1], matrix[1, 0], matrix[-1, -1] = 0.1, -0.05, 1.1
    return matrix


def stretch(spatial_dims):
    matrix = torch.eye(spatial_dims, dtype=torch.float64) * 0.9
    matrix[0, -1] = 0.15
    return matrix


@pytest.mark.parametrize("shape", SHAPES)
def test_compose_with_zero_is_neutral(shape, smooth_ddf, generator):
    ddf = smooth_ddf(shape, 2.0, generator)
    assert_close(compose(ddf, torch.zeros_like(ddf)), ddf)
    assert_close(compose(torch.zeros_like(ddf), ddf), ddf)


@pytest.mark.parametrize("shape", SHAPES)
def test_compose_of_affine_maps_is_the_matrix_product(shape, linear_ddf):
    outer, inner = shear(len(shape)), stretch(len(shape))
    composed = compose(linear_ddf(shape, outer), linear_ddf(shape, inner))
    assert_close(interior(composed, 2), interior(linear_ddf(shape, outer @ inner), 2))


@pytest.mark.parametrize("shape", SHAPES)
def test_compose_is_associative(shape, linear_ddf):
    matrices = shear(len(shape)), stretch(len(shape)), shear(len(shape)).T
    a, b, c = (linear_ddf(shape, matrix) for matrix in matrices)
    assert_close(interior(compose(compose(a, b), c), 3), interior(compose(a, compose(b, c)), 3))


def test_warp_by_a_composition_is_warping_by_outer_then_by_inner(linear_ddf):
    shape = (15, 17)
    moving = linear_ddf(shape, torch.zeros(2, 2))  # a linear image, on which bilinear interpolation is exact
    outer, inner = linear_ddf(shape, shear(2)), linear_ddf(shape, stretch(2))
    twice = warp(warp(moving, outer), inner)
    assert_close(interior(warp(moving, compose(outer, inner)), 3), interior(twice, 3))


@pytest.mark.parametrize("shape", [(4, 3), (3, 4, 3)])
def test_compose_gradients_in_both_fields(shape, smooth_ddf, generator):
    outer = smooth_ddf(shape, 0.5, generator).requires_grad_()
    inner = (smooth_ddf(shape, 0.1, generator) + 0.31).requires_grad_()
    assert torch.autograd.gradcheck(compose, (outer, inner), atol=1e-6)


def test_compose_names_expected_and_received_field():
    with pytest.raises(ValueError, match=r"expected a field .* got \[1, 3, 4, 4\]"):
        compose(torch.zeros(1, 2, 4, 4), torch.zeros(1, 3, 4, 4))
