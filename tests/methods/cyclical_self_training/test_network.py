import pytest
import torch

from common.methods.cyclical_self_training.features import FeatureNetwork, MindFeatures
from common.methods.cyclical_self_training.network import ConvexRegistration, smooth_refine

SHAPE = (16, 24, 16)


def network(strides=(2, 1, 2, 1, 1), **options):
    torch.manual_seed(0)
    return ConvexRegistration(FeatureNetwork(strides=strides), **options).eval()


def structured_image(seed=0):
    image = torch.randn(1, 1, 32, 36, 32, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.avg_pool3d(image, 3, 1, 1) * 3


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("kind", ["network", "mind"])
def test_a_shift_by_a_whole_stride_is_recovered_in_voxels(axis, kind):
    torch.manual_seed(0)
    features = FeatureNetwork(strides=(2, 1, 2, 1, 1)) if kind == "network" else MindFeatures(4)
    registration = ConvexRegistration(features, feature_scale=500.0 if kind == "network" else 5.0, zero_border=False)
    registration, moving = registration.eval(), structured_image()
    fixed = moving.roll(-4, axis + 2)  # fixed(x) = moving(x + 4)
    with torch.no_grad():
        ddf = registration(torch.cat([fixed, moving], 1))
    inner = ddf[..., 12:-12, 14:-14, 12:-12].mean(dim=(0, 2, 3, 4))
    assert inner[axis] == pytest.approx(4.0, abs=0.6)
    assert (inner.abs().sum() - inner[axis].abs()) < 0.6


def test_parameters_and_lattices_of_the_paper():
    features = FeatureNetwork()
    assert sum(p.numel() for p in features.parameters()) == 1_165_584
    assert (features.stride, features.fine_stride) == (8, 2)
    fine, coarse = features(torch.rand(1, 1, 16, 16, 24))
    assert (fine.shape[1], coarse.shape[1]) == (64, 16)


def test_scripted_network_gives_the_same_field():
    registration, image = network(), torch.rand(1, 2, *SHAPE)
    scripted = torch.jit.script(registration)
    with torch.no_grad():
        assert torch.allclose(scripted(image), registration(image), atol=1e-5)


def test_a_batch_equals_a_loop():
    registration, image = network(), torch.rand(2, 2, *SHAPE)
    with torch.no_grad():
        apart = torch.cat([registration(one[None]) for one in image])
        assert torch.allclose(registration(image), apart, atol=1e-4)


def test_gradients_reach_every_parameter():
    registration = network().train()
    registration(torch.rand(1, 2, *SHAPE)).square().sum().backward()
    for name, parameter in registration.named_parameters():
        assert torch.isfinite(parameter.grad).all(), name


@pytest.mark.parametrize("offset", [0.0, 1.5])
def test_refining_keeps_linear_fields_in_place(offset):
    nodes = torch.arange(8.0).view(1, 1, 8, 1, 1).expand(1, 3, 8, 8, 8) * 4 + offset  # u = position, along axis 0
    refined = smooth_refine(nodes, 4.0, offset, [32, 32, 32], zero_border=False)[0, 0, :, 16, 16]
    assert torch.allclose(refined[12:-12], torch.arange(32.0)[12:-12], atol=1e-3)


def test_a_radius_larger_than_the_feature_grid_is_an_error():
    with pytest.raises(ValueError, match=r"search radius from 0 to 3 cells on a feature grid of \[4, 6, 4\], got 6"):
        network(radius=6)(torch.rand(1, 2, *SHAPE))


def test_as_many_strides_as_channels_are_expected():
    with pytest.raises(ValueError, match="as many strides as channels"):
        FeatureNetwork(strides=(2, 2))
