import pytest
import torch

from common.methods.mcd_pemd.classifier import DisplacementClassifier, displacement_head, patch_feature_extractor


def num_parameters(module):
    return sum(parameter.numel() for parameter in module.parameters())


def test_parts_have_the_sizes_of_the_paper():
    assert num_parameters(patch_feature_extractor()) == 13_052
    assert num_parameters(displacement_head()) == 69_851


def test_feature_map_is_18_wide_with_16_channels():
    assert patch_feature_extractor()(torch.zeros(2, 1, 39, 39)).shape == (2, 16, 18, 18)


@pytest.mark.parametrize(("spatial_dims", "num_classes"), [(2, 25), (3, 125)])
def test_one_pair_gives_one_logit_per_class(spatial_dims, num_classes):
    image = torch.rand(1, 2, *[39] * spatial_dims)
    assert DisplacementClassifier(spatial_dims)(image).shape == (1, num_classes)


def test_test_heads_are_the_first_or_the_mean_of_both():
    network, image = DisplacementClassifier(), torch.rand(2, 2, 39, 39)
    first, second = (head(network.features(image)) for head in (network.head, network.second_head))
    torch.testing.assert_close(network(image), (first + second) / 2)
    network.num_test_heads = 1
    torch.testing.assert_close(network(image), first)


def test_three_test_heads_are_refused():
    with pytest.raises(ValueError, match="num_test_heads: expected 1 or 2, got 3"):
        DisplacementClassifier(num_test_heads=3)


def test_both_patches_go_through_the_same_weights():
    network, patch = DisplacementClassifier(), torch.rand(3, 1, 39, 39)
    features = network.features(torch.cat([patch, patch], dim=1))
    torch.testing.assert_close(features[:, :16], features[:, 16:])


def test_fixed_patch_comes_first():
    network, image = DisplacementClassifier(), torch.rand(2, 2, 39, 39)
    torch.testing.assert_close(network.features(image)[:, :16], network.feature_extractor(image[:, :1]))


def test_batch_equals_loop():
    network, image = DisplacementClassifier(), torch.rand(3, 2, 39, 39)
    torch.testing.assert_close(network(image), torch.cat([network(pair[None]) for pair in image]))


@pytest.mark.parametrize("num_test_heads", [1, 2])
def test_torchscript_equals_eager(num_test_heads):
    network, image = DisplacementClassifier(num_test_heads=num_test_heads).eval(), torch.rand(2, 2, 39, 39)
    scripted = torch.jit.script(network)
    torch.testing.assert_close(scripted(image), network(image))
    torch.testing.assert_close(scripted.features(image), network.features(image))
