import pytest
import torch

from common.fields.lattice import interpolation_matrix, lattice_positions, refine_lattice, sample_lattice


def linear(positions):
    return 1.0 + 2.0 * positions[0] - 0.5 * positions[1] + 0.25 * positions[2]


@pytest.mark.parametrize(("stride", "offset"), [(4.0, 0.0), (4.0, 1.5), (2.0, -0.5)])
def test_linear_functions_are_interpolated_exactly_inside(stride, offset):
    values = linear(lattice_positions([6, 5, 7], stride, offset))[None, None]
    shape = [int(4 * stride), int(3 * stride), int(5 * stride)]
    found, expected = refine_lattice(values, stride, offset, shape)[0, 0], linear(lattice_positions(shape, 1.0, 0.0))
    assert torch.allclose(found[2:, 2:, 2:], expected[2:, 2:, 2:], atol=1e-4)


def test_refining_equals_sampling():
    values = torch.randn(2, 3, 4, 5, 6)
    found = refine_lattice(values, 3.0, 1.0, [7, 8, 9], 2.0, 0.5)
    positions = lattice_positions([7, 8, 9], 2.0, 0.5).expand(2, 3, 7, 8, 9)
    assert torch.allclose(found, sample_lattice(values, 3.0, 1.0, positions), atol=1e-5)


def test_weights_of_every_position_sum_to_one():
    weights = interpolation_matrix(5, 4.0, 1.5, torch.linspace(-3, 30, 40))
    assert torch.allclose(weights.sum(1), torch.ones(40))


def test_refining_to_the_same_lattice_changes_nothing():
    values = torch.randn(1, 1, 3, 4, 5)
    assert torch.allclose(refine_lattice(values, 4.0, 1.5, [3, 4, 5], 4.0, 1.5), values, atol=1e-6)


def test_a_strided_convolution_is_centered_on_the_nodes():
    volume = torch.zeros(1, 1, 16, 16, 16)
    volume[0, 0, 4, 8, 12] = 1.0
    convolution = torch.nn.Conv3d(1, 1, 3, 2, 1, bias=False)
    torch.nn.init.constant_(convolution.weight, 0.0)
    convolution.weight.data[0, 0, 1, 1, 1] = 1.0
    response = convolution(convolution(volume))[0, 0].nonzero()[0]
    assert lattice_positions([4, 4, 4], 4.0, 0.0)[:, response[0], response[1], response[2]].tolist() == [4, 8, 12]
