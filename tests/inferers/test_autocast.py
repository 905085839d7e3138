import torch

from common import mixed_precision
from common.inferers.autocast import AutocastInferer
from common.networks.voxelmorph import VoxelMorph


def test_without_amp_the_output_is_the_networks():
    image = torch.rand(1, 2, 16, 16, 16)
    network = VoxelMorph()
    assert torch.equal(AutocastInferer()(image, network), network(image))


def test_amp_changes_the_field_by_the_precision_of_bfloat16_only(monkeypatch):
    monkeypatch.setattr(mixed_precision, "multiplies_bfloat16", lambda device_type: True)
    torch.manual_seed(0)
    network, image = torch.nn.Conv3d(2, 3, 3, padding=1), torch.rand(1, 2, 8, 8, 8)
    exact, half = network(image), AutocastInferer(amp=True)(image, network)
    assert half.dtype == torch.float32
    assert 0 < (half - exact).abs().max() < 4 * 2**-8  # 8 bits, of values and sums near 1


def test_gradients_reach_the_weights():
    network = torch.nn.Conv3d(2, 3, 1)
    AutocastInferer(amp=True)(torch.rand(1, 2, 4, 4, 4), network).square().sum().backward()
    assert network.weight.grad.abs().min() > 0
