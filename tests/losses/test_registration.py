import pytest
import torch
from torch import nn

from common.fields.ddf import warp
from common.losses.registration import RegistrationLoss, diffusion
from common.losses.similarity import NAMES, dissimilarity


@pytest.mark.parametrize("name", NAMES)
def test_every_measure_prefers_the_aligned_image_and_has_a_gradient(name, generator):
    fixed = nn.functional.avg_pool3d(torch.randn(1, 1, 18, 18, 18, generator=generator), 3, 1)
    measure = dissimilarity(name, num_projections=16, redraw=False)
    moving = fixed.roll(3, dims=2).requires_grad_()
    worse = measure(moving, fixed)
    worse.backward()
    assert measure(fixed, fixed) < worse
    assert moving.grad.abs().sum() > 0


def test_diffusion_of_a_linear_field_is_the_mean_square_of_its_derivatives():
    matrix = torch.tensor([[0.1, 0.2, 0.0], [0.0, -0.3, 0.5], [0.4, 0.0, 0.6]], dtype=torch.float64)
    axes = [torch.arange(5, dtype=torch.float64)] * 3
    ddf = torch.einsum("kd,xyzd->kxyz", matrix, torch.stack(torch.meshgrid(axes, indexing="ij"), -1))[None]
    torch.testing.assert_close(diffusion(ddf), matrix.square().mean())


def test_diffusion_sees_a_field_that_alternates():
    ddf = torch.zeros(1, 3, 4, 4, 4)
    ddf[:, 0, ::2] = 1
    assert diffusion(ddf).item() == pytest.approx(1 / 9)  # one of nine derivatives, always ±1


def test_loss_is_the_sum_of_its_terms(generator):
    image = torch.randn(1, 2, 6, 6, 6, generator=generator)
    ddf = torch.randn(1, 3, 6, 6, 6, generator=generator)
    expected = (warp(image[:, 1:], ddf) - image[:, :1]).square().mean() + 0.5 * diffusion(ddf)
    torch.testing.assert_close(RegistrationLoss(nn.MSELoss(), 0.5)(ddf, image), expected)


def test_unknown_measure_is_refused():
    with pytest.raises(ValueError, match="similarity: expected one of mse"):
        dissimilarity("psdw")


def test_negative_weight_is_refused():
    with pytest.raises(ValueError, match="expected a weight ≥ 0, got -1"):
        RegistrationLoss(nn.MSELoss(), -1)
