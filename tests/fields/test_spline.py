import pytest
import torch

from common.fields.spline import coarsen_to_spline


@pytest.mark.parametrize("shape", [(8, 12), (8, 4, 12)])
def test_shape_is_kept(shape):
    field = torch.rand(2, len(shape), *shape)
    assert coarsen_to_spline(field, 4).shape == field.shape


def test_a_spacing_of_one_changes_nothing():
    field = torch.rand(1, 3, 4, 4, 4)
    assert torch.equal(coarsen_to_spline(field, 1), field)


def test_a_linear_field_stays_linear_in_the_interior():
    ramp = torch.arange(32.0, dtype=torch.float64).view(1, 1, 32, 1).expand(1, 2, 32, 8)
    smooth = coarsen_to_spline(ramp, 4)
    torch.testing.assert_close(smooth[:, :, 8:24], ramp[:, :, 8:24])


def test_a_field_that_alternates_within_a_cube_vanishes():
    field = torch.ones(1, 2, 16, 16)
    field[:, :, ::2] = -1
    assert coarsen_to_spline(field, 4).abs().max() == 0


def test_the_mean_is_kept():
    field = torch.zeros(1, 2, 24, 24, dtype=torch.float64)
    field[:, 0, 12, 12] = 1
    assert coarsen_to_spline(field, 4).sum().item() == pytest.approx(1.0)


def test_it_scripts_and_is_differentiable():
    field = torch.rand(1, 2, 8, 8, dtype=torch.float64, requires_grad=True)
    assert torch.equal(torch.jit.script(coarsen_to_spline)(field, 4), coarsen_to_spline(field, 4))
    assert torch.autograd.gradcheck(lambda x: coarsen_to_spline(x, 4), [field])
