import pytest
import torch

from common.networks.voxelmorph import VoxelMorph


def test_network_has_the_size_of_the_authors_code():
    assert sum(parameter.numel() for parameter in VoxelMorph().parameters()) == 301_411


@pytest.mark.parametrize("spatial_shape", [(16, 16, 16), (32, 16, 48)])
def test_any_multiple_of_16_gives_one_vector_per_voxel(spatial_shape):
    assert VoxelMorph()(torch.rand(1, 2, *spatial_shape)).shape == (1, 3, *spatial_shape)


def test_two_dimensional_images_give_two_components():
    assert VoxelMorph(spatial_dims=2)(torch.rand(1, 2, 32, 16)).shape == (1, 2, 32, 16)


@pytest.mark.parametrize("num_integration_steps", [0, 7])
def test_untrained_field_is_near_zero(num_integration_steps, generator):
    image = torch.randn(1, 2, 16, 16, 16, generator=generator)
    ddf = VoxelMorph(num_integration_steps=num_integration_steps)(image)
    assert 0 < ddf.abs().max() < 1e-2


@pytest.mark.parametrize("num_integration_steps", [0, 3])
def test_scripted_network_equals_the_eager_one(num_integration_steps, generator):
    network = VoxelMorph(num_integration_steps=num_integration_steps)
    image = torch.randn(1, 2, 16, 16, 16, generator=generator)
    torch.testing.assert_close(torch.jit.script(network)(image), network(image))


def test_every_weight_gets_a_gradient(generator):
    network = VoxelMorph()
    network(torch.randn(1, 2, 16, 16, 16, generator=generator)).square().sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_encoder_and_decoder_of_other_lengths_are_refused():
    with pytest.raises(ValueError, match="as many decoder_channels"):
        VoxelMorph(encoder_channels=(16, 32))
