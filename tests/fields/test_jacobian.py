import math

import numpy as np
import pytest
import torch
from scipy.ndimage import correlate1d
from torch.testing import assert_close

from common.fields.jacobian import inner_folding_fraction, jacobian_determinant, sdlogj

MATRICES = [
    torch.tensor([[1.2, 0.3], [-0.4, 0.9]], dtype=torch.float64),
    torch.tensor([[1.2, 0.3, -0.1], [-0.4, 0.9, 0.2], [0.05, -0.3, 1.1]], dtype=torch.float64),
]


def learn2reg_determinant(ddf):
    """Determinant as the evaluation script of Learn2Reg has it, in NumPy; two voxels cropped per border."""
    rows = [[correlate1d(u, [-0.5, 0, 0.5], axis=k, mode="constant") for k in range(3)] for u in ddf[0].numpy()]
    jacobian = np.moveaxis(np.array(rows), (0, 1), (-2, -1)) + np.eye(3)
    return np.linalg.det(jacobian)[2:-2, 2:-2, 2:-2]


@pytest.mark.parametrize("shape", [(5, 6), (4, 5, 6)])
def test_jacobian_determinant_has_one_channel(shape):
    assert jacobian_determinant(torch.zeros(2, len(shape), *shape)).shape == (2, 1, *shape)


@pytest.mark.parametrize("shape", [(5, 6), (4, 5, 6), (1, 5, 6), (2, 1, 6)])
def test_jacobian_determinant_of_a_constant_field_is_one(shape):
    assert jacobian_determinant(torch.full((1, len(shape), *shape), 3.0)).unique().tolist() == [1.0]


@pytest.mark.parametrize("matrix", MATRICES)
def test_jacobian_determinant_of_an_affine_map_is_that_of_its_matrix(matrix, linear_ddf):
    determinant = jacobian_determinant(linear_ddf((5, 6, 7)[: len(matrix)], matrix))
    assert_close(determinant, torch.linalg.det(matrix).expand_as(determinant))


def test_jacobian_determinant_of_a_reflection_is_minus_one(linear_ddf):
    ddf = linear_ddf((4, 5, 6), torch.diag(torch.tensor([-1.0, 1.0, 1.0])))
    assert_close(jacobian_determinant(ddf), -torch.ones(1, 1, 4, 5, 6, dtype=torch.float64))


def test_folding_fraction_is_the_share_of_folded_voxels():
    ddf = torch.zeros(1, 2, 10, 10)
    ddf[0, 0, 5:] = -3.0  # central differences −1.5 in rows 4 and 5
    assert inner_folding_fraction(ddf, margin=0).item() == pytest.approx(2 / 10)
    assert inner_folding_fraction(ddf).item() == pytest.approx(2 / 6)


def test_sdlogj_of_two_halves_is_half_the_difference_of_their_logarithms():
    ddf = torch.zeros(1, 3, 8, 3, 3, dtype=torch.float64)
    ddf[0, 0] = torch.tensor([0.0, 1, 2, 3, 3, 3, 3, 3], dtype=torch.float64).view(8, 1, 1)
    determinants = torch.tensor([2, 2, 2, 1.5, 1, 1, 1, 1], dtype=torch.float64)
    expected = (determinants + 3).log().std(correction=0)
    assert sdlogj(ddf, offset=3.0, margin=0).item() == pytest.approx(expected.item())


def test_sdlogj_with_offset_three_is_the_figure_of_learn2reg(smooth_ddf, generator):
    ddf = smooth_ddf((11, 12, 13), 3.0, generator)
    determinant = learn2reg_determinant(ddf)
    expected = np.log((determinant + 3).clip(1e-9, 1e9)).std()
    assert sdlogj(ddf, offset=3.0).item() == pytest.approx(expected, rel=1e-9)
    assert inner_folding_fraction(ddf).item() == pytest.approx((determinant <= 0).mean())


def test_sdlogj_clamps_folds_before_the_logarithm(linear_ddf):
    folded = linear_ddf((6, 6), torch.diag(torch.tensor([-1.0, 1.0])))
    mixed = torch.cat([folded[:, :, :3], folded.new_zeros(1, 2, 3, 6)], dim=2)
    assert math.isfinite(sdlogj(mixed).item())
    assert sdlogj(folded).item() == pytest.approx(0)


def test_regularity_is_reported_per_field_of_a_batch():
    assert inner_folding_fraction(torch.zeros(4, 3, 6, 6, 6)).shape == sdlogj(torch.zeros(4, 3, 6, 6, 6)).shape == (4,)


def test_jacobian_determinant_gradient_in_the_field(smooth_ddf, generator):
    ddf = smooth_ddf((3, 4, 3), 0.5, generator).requires_grad_()
    assert torch.autograd.gradcheck(jacobian_determinant, ddf)


def test_jacobian_determinant_names_expected_and_received_field():
    with pytest.raises(ValueError, match=r"expected a field .* got \[1, 1, 4, 4, 4\]"):
        jacobian_determinant(torch.zeros(1, 1, 4, 4, 4))
