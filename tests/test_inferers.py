import pytest
import torch
from torch.nn import functional

from common import precision as mixed_precision
from common.fields.ddf import warp
from common.fields.jacobian import jacobian_determinant
from common.inferers import AutocastInferer, RefiningInferer, RepeatedInferer
from common.networks.voxelmorph import VoxelMorph
from common.solvers.image_refinement import ImageRefinement


def bump(center: float) -> torch.Tensor:
    x = torch.arange(24.0, dtype=torch.float64)
    profile = torch.exp(-((x - center) ** 2) / 18)
    return profile.view(1, 1, -1, 1).expand(1, 1, 24, 4)


def shift_by_half_the_way(image: torch.Tensor) -> torch.Tensor:
    x = torch.arange(24.0, dtype=torch.float64).view(-1, 1)
    fixed, moving = ((image[:, k] * x).sum() / image[:, k].sum() for k in range(2))
    ddf = torch.zeros(1, 2, 24, 4, dtype=torch.float64)
    ddf[:, 0] = (moving - fixed) / 2
    return ddf


def test_one_pass_is_one_network_call():
    image = torch.cat([bump(10), bump(14)], dim=1)
    assert torch.equal(RepeatedInferer()(image, shift_by_half_the_way), shift_by_half_the_way(image))


@pytest.mark.parametrize(("num_passes", "rest"), [(1, 2.0), (2, 1.0), (3, 0.5)])
def test_every_pass_halves_what_is_left(num_passes, rest):
    ddf = RepeatedInferer(num_passes)(torch.cat([bump(10), bump(14)], dim=1), shift_by_half_the_way)
    torch.testing.assert_close(ddf[0, 0], torch.full((24, 4), 4 - rest, dtype=torch.float64), atol=0.05, rtol=0)


def test_the_last_pass_acts_first():
    fields = iter([torch.zeros(1, 2, 24, 4), torch.ones(1, 2, 24, 4)])
    stretch = next(fields)
    stretch[:, 0] = 0.5 * torch.arange(24.0).view(-1, 1)
    fields = iter([stretch, torch.ones(1, 2, 24, 4)])
    image = torch.cat([bump(10), bump(14)], dim=1).float()
    ddf = RepeatedInferer(2)(image, lambda _: next(fields))
    twice = warp(warp(image[:, 1:], stretch), torch.ones(1, 2, 24, 4))
    once = warp(image[:, 1:], ddf)
    torch.testing.assert_close(once[:, :, :10], twice[:, :, :10], atol=0.05, rtol=0)


def test_no_pass_is_refused():
    with pytest.raises(ValueError, match="at least 1, got 0"):
        RepeatedInferer(0)


def test_every_pass_calls_the_network_as_it_is_told():
    calls = []

    def call(inputs, network):
        calls.append(inputs)
        return network(inputs)

    image = torch.cat([bump(10), bump(14)], dim=1)
    told = RepeatedInferer(2, inferer=call)(image, shift_by_half_the_way)
    assert len(calls) == 2
    assert torch.equal(told, RepeatedInferer(2)(image, shift_by_half_the_way))


def test_gradients_flow_through_all_passes():
    scale = torch.ones((), dtype=torch.float64, requires_grad=True)
    image = torch.cat([bump(10), bump(14)], dim=1)

    def field(num_passes):
        ddf = RepeatedInferer(num_passes)(image, lambda pair: scale * shift_by_half_the_way(pair))
        return ddf[0, 0, 12, 2]

    # half the way is 2 voxels; of two passes with factor s the way left is (1 - s/2)², so d/ds of 4 - 4 (1 - s/2)² is 2
    for num_passes, slope in ((1, 2.0), (2, 2.0), (3, 1.5)):
        (found,) = torch.autograd.grad(field(num_passes), scale)
        assert found.item() == pytest.approx(slope, abs=0.1)


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


@pytest.fixture
def image(generator):
    """A smooth image, and the same two voxels along the first axis with inverted contrast."""
    noise = functional.interpolate(torch.rand(1, 1, 8, 8, 8, generator=generator), (36, 32, 32), mode="trilinear")
    return torch.cat([noise[:, :, 2:34], 1 - noise[:, :, :32]], dim=1)


def zero_field(image):
    return torch.zeros(1, 3, *image.shape[2:])


def test_search_finds_a_shift_across_inverted_contrast(image):
    ddf = RefiningInferer(1, ImageRefinement(40, weight=0.01))(image, zero_field)
    inner = ddf[0, :, 8:-8, 8:-8, 8:-8].mean(dim=(1, 2, 3))
    assert inner[0].item() == pytest.approx(2.0, abs=0.6)
    assert inner[1:].abs().max() < 0.6
    assert jacobian_determinant(ddf).min() > 0


def test_no_steps_leave_the_networks_field(image):
    assert torch.equal(RefiningInferer(1, ImageRefinement(0))(image, zero_field), zero_field(image))


def test_negative_number_of_steps_is_refused():
    with pytest.raises(ValueError, match="expected num_refinement_steps and refinement_weight ≥ 0"):
        RefiningInferer(1, ImageRefinement(-1))
