"""Tests of the features for any contrast."""

import pytest
import torch
import torch.nn.functional as F

from common.losses.mind import mind_ssc
from common.methods.any_contrast.intensity import normalized_intensity
from common.methods.any_contrast.network import AnyContrastFeatures, Correction, doubled


@pytest.fixture
def network():
    """A small network with random heads."""
    torch.manual_seed(0)
    network = AnyContrastFeatures((4, 8, 8)).eval()
    for head in (network.full_head, network.half_head):
        torch.nn.init.normal_(head.linear.weight)
    return network


@pytest.mark.parametrize("shape", [(9, 12, 10), (16, 16, 16), (17, 10, 11)])
def test_features_have_full_and_half_resolution(network, shape):
    full, half = network(torch.rand(2, 1, *shape))
    assert list(full.shape) == [2, 12, *shape]
    assert list(half.shape) == [2, 12, *((size + 1) // 2 for size in shape)]


def test_learning_starts_from_descriptors():
    image = torch.rand(1, 1, 9, 10, 11)
    descriptors = mind_ssc(normalized_intensity(image))
    full, half = AnyContrastFeatures((4, 8), scale=0.5)(image)
    factor = 0.5 * torch.sigmoid(torch.tensor(2.0))
    torch.testing.assert_close(full, factor * descriptors)
    torch.testing.assert_close(half[..., 1, 2, 3], factor * descriptors[..., 1:4, 3:6, 5:8].mean((2, 3, 4)))


def test_gate_and_correction_follow_the_formula():
    head = Correction(3, 0.5)
    torch.nn.init.normal_(head.linear.weight)
    values, descriptors = torch.randn(1, 3, 2, 2, 2), torch.rand(1, 12, 2, 2, 2)
    found = torch.einsum("oc,bcxyz->boxyz", head.linear.weight[:, :, 0, 0, 0], values)
    expected = 0.5 * (descriptors / (1 + torch.exp(-2 - found[:, :1])) + found[:, 1:])
    torch.testing.assert_close(head(values, descriptors), expected)


def test_intensities_may_be_scaled_and_shifted(network):
    image = torch.rand(1, 1, 12, 14, 16)
    for features, others in zip(network(image), network(300 * image - 1000), strict=True):
        torch.testing.assert_close(features, others, atol=2e-3, rtol=0)


def test_a_constant_image_has_finite_features(network):
    assert all(features.isfinite().all() for features in network(torch.full((1, 1, 10, 10, 10), 7.0)))


def test_the_network_is_small():
    assert sum(parameter.numel() for parameter in AnyContrastFeatures().parameters()) < 1_500_000


def test_weights_of_other_channels_are_refused(network):
    with pytest.raises(RuntimeError, match="channels: expected \\[4, 8, 8\\]"):
        AnyContrastFeatures((4, 8, 16)).load_state_dict(network.state_dict())


def test_doubling_is_linear_interpolation_between_even_voxels():
    nodes = torch.rand(1, 2, 4, 3, 5)
    found = doubled(nodes, [7, 5, 9])
    torch.testing.assert_close(found[..., ::2, ::2, ::2], nodes)
    torch.testing.assert_close(found[..., 1::2, ::2, ::2], (nodes[:, :, 1:] + nodes[:, :, :-1]) / 2)
    assert torch.equal(doubled(nodes, [8, 6, 10]), F.pad(found, [0, 1] * 3, mode="replicate"))


def test_too_few_resolutions_are_refused():
    with pytest.raises(ValueError, match="channels: expected those of at least two resolutions"):
        AnyContrastFeatures((16,))


def test_in_use_a_place_knows_nothing_of_what_lies_far_away(network):
    image = torch.rand(1, 1, 80, 12, 12, generator=torch.Generator().manual_seed(1))
    changed = image.clone()
    changed[:, :, 64:] = image[:, :, 64:].sort(dim=2).values  # the same intensities at other places
    differences = {}
    for learns in (True, False):
        network.train(learns)
        with torch.no_grad():
            first, second = (network(volume)[0][:, :, :24] for volume in (image, changed))
        differences[learns] = (first - second).abs().max().item()
    assert differences[False] < 1e-4 < differences[True]
