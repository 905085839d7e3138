"""The statistics network is the paper's two 1×1×1 convolutions, in memory that does not grow with their width."""

import pytest
import torch
from torch.nn import functional

from common.methods.mine_voxelmorph.statistics_network import CHUNK, StatisticsNetwork


def convolutions(network, first, second):
    """The same by torch's 3-D convolutions."""
    one, two = ((layer.weight[..., None, None, None], layer.bias) for layer in (network.features, network.output))
    return functional.conv3d(functional.conv3d(torch.cat([first, second], 1), *one).relu(), *two).flatten(1)


def test_it_equals_two_convolutions_across_chunks(generator):
    network = StatisticsNetwork()
    images = [torch.rand(2, 1, 20, 21, 22, generator=generator) for _ in range(2)]
    assert images[0].numel() > 2 * CHUNK["cpu"]
    assert torch.allclose(network(*images), convolutions(network, *images), atol=1e-5)


def test_gradients_are_those_of_finite_differences():
    torch.manual_seed(0)
    network = StatisticsNetwork(5).double()
    images = [torch.rand(2, 6, dtype=torch.double, requires_grad=True) for _ in range(2)]
    assert torch.autograd.gradcheck(lambda a, b, *_: network(a, b), (*images, *network.parameters()))


def test_gradients_across_chunks_are_those_of_the_convolutions(generator):
    network = StatisticsNetwork()
    images = [torch.rand(1, 1, 24, 24, 24, generator=generator, requires_grad=True) for _ in range(2)]
    wanted = [*images, *network.parameters()]
    own, other = (
        torch.autograd.grad(f.square().mean(), wanted) for f in (network(*images), convolutions(network, *images))
    )
    assert all(torch.allclose(a, b, rtol=1e-3, atol=1e-7) for a, b in zip(own, other, strict=True))


def test_values_are_float32_under_autocast():
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert StatisticsNetwork()(torch.rand(1, 9), torch.rand(1, 9)).dtype == torch.float32


def test_zero_features_are_refused():
    with pytest.raises(ValueError, match="num_features: expected at least 1, got 0"):
        StatisticsNetwork(0)
