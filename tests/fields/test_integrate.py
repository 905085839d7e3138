import itertools
import math

import pytest
import torch
from torch.testing import assert_close

from common.fields.ddf import compose, integrate


def rotation(angle):
    return torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]], dtype=torch.float64)


def disc_error(linear_ddf, num_steps, angle=0.5, shape=(33, 33)):
    """Largest error in voxels of the integrated rotation, in the disc whose orbits stay inside the grid."""
    generator_matrix = torch.tensor([[1.0, -angle], [angle, 1.0]])
    error = integrate(linear_ddf(shape, generator_matrix), num_steps) - linear_ddf(shape, rotation(angle))
    radius = linear_ddf(shape, torch.zeros(2, 2)).norm(dim=1)
    return error.norm(dim=1)[radius < 12].max().item()


@pytest.mark.parametrize("shape", [(8, 9), (6, 7, 8)])
def test_integrate_keeps_the_shape(shape):
    assert integrate(torch.zeros(2, len(shape), *shape)).shape == (2, len(shape), *shape)


@pytest.mark.parametrize("shape", [(8, 9), (6, 7, 8)])
def test_integrate_constant_velocity_is_that_displacement_up_to_the_border(shape):
    velocity = torch.full((1, len(shape), *shape), 1.7, dtype=torch.float64)
    assert_close(integrate(velocity), velocity)


def test_integrate_with_no_step_is_the_velocity_itself(smooth_ddf, generator):
    velocity = smooth_ddf((8, 9), 1.0, generator)
    assert_close(integrate(velocity, num_steps=0), velocity)


@pytest.mark.parametrize("shape", [(25, 26), (17, 18, 19)])
def test_integrate_of_opposite_velocities_are_inverse_maps(shape, smooth_ddf, generator):
    velocity = smooth_ddf(shape, 0.6, generator)
    residual = compose(integrate(velocity), integrate(-velocity))[(..., *[slice(3, -3)] * len(shape))]
    assert residual.abs().max() < 0.02 * velocity.abs().max()


def test_integrate_rotation_generator_gives_the_rotation(linear_ddf):
    assert disc_error(linear_ddf, num_steps=10) < 2e-3


def test_integrate_error_halves_with_each_squaring(linear_ddf):
    errors = [disc_error(linear_ddf, num_steps) for num_steps in (4, 5, 6, 7, 8)]
    ratios = [coarse / fine for coarse, fine in itertools.pairwise(errors)]
    assert ratios == pytest.approx([2.0] * 4, rel=0.05)


def test_integrate_gradient_in_the_velocity(smooth_ddf, generator):
    velocity = (smooth_ddf((3, 4), 0.1, generator) + 0.31).requires_grad_()
    assert torch.autograd.gradcheck(lambda v: integrate(v, num_steps=2), velocity, atol=1e-6)


def test_integrate_names_a_negative_number_of_steps():
    with pytest.raises(ValueError, match=r"expected num_steps >= 0, got -1"):
        integrate(torch.zeros(1, 2, 4, 4), num_steps=-1)
