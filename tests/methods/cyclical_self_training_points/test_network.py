import pytest
import torch

from common.methods.cyclical_self_training_points.image import cloud_image
from common.methods.cyclical_self_training_points.network import KeypointRegistration


def cloud(count=200, seed=0):
    return 2 * torch.rand(count, 3, generator=torch.Generator().manual_seed(seed)) - 1


def registration(**settings):
    torch.manual_seed(0)
    return KeypointRegistration(num_candidates=32, **settings).eval()


def solve(network, fixed, moving):
    with torch.no_grad():
        return network(cloud_image(fixed, moving)[None])[0]


def test_output_has_a_slot_for_every_slot_of_the_input():
    pred = solve(registration(), cloud(50), cloud(80, 1))
    assert pred.shape == (3, 80)
    assert (pred[:, 50:] == 0).all()


@pytest.mark.parametrize("scale", [0.0, 0.1])
def test_known_translation_is_recovered_without_noise(scale):
    fixed = cloud()
    shift = torch.tensor([0.05, -0.03, 0.04])
    pred = solve(registration(unary_scale=scale, sharpness=1e5), fixed, fixed + shift)
    assert (pred.T - shift).abs().max() < 1e-4


def test_known_rigid_motion_is_recovered_without_noise():
    fixed = cloud()
    angle = torch.tensor(0.06)
    rotation = torch.eye(3)
    rotation[:2, :2] = torch.stack([torch.stack([angle.cos(), -angle.sin()]), torch.stack([angle.sin(), angle.cos()])])
    moving = fixed @ rotation.T + 0.02
    pred = solve(registration(unary_scale=0.0, sharpness=1e5), fixed, moving)
    assert (pred.T - (moving - fixed)).abs().max() < 1e-4


def test_permuted_points_permute_the_result():
    fixed, moving = cloud(), cloud(seed=1)
    order = torch.randperm(200, generator=torch.Generator().manual_seed(2))
    network = registration()
    assert torch.allclose(solve(network, fixed, moving)[:, order], solve(network, fixed[order], moving), atol=1e-3)
    assert torch.allclose(solve(network, fixed, moving), solve(network, fixed, moving[order]), atol=1e-3)


def test_empty_slots_do_not_count():
    fixed, moving = cloud(60), cloud(90, 1)
    image = cloud_image(fixed, moving)
    padded = torch.cat([image, torch.full((8, 20), 0.4)], 1)
    network = registration()
    with torch.no_grad():
        assert torch.equal(network(image[None])[..., :60], network(padded[None])[..., :60])


def test_pairs_of_a_batch_are_independent():
    images = torch.stack([cloud_image(cloud(80, seed), cloud(80, seed + 5)) for seed in (0, 1)])
    network = registration()
    with torch.no_grad():
        assert torch.allclose(network(images)[1], network(images[1:])[0], atol=1e-6)


def test_scripted_equals_eager():
    image = torch.rand(1, 8, 128, generator=torch.Generator().manual_seed(0))
    network = registration()
    with torch.no_grad():
        assert torch.equal(torch.jit.script(network)(image), network(image))


def test_chosen_points_get_displacements_and_features_gradients():
    network = registration(num_rounds=1)
    result = network.register(cloud(), cloud(seed=1), torch.arange(50))
    result.square().sum().backward()
    assert result.shape == (50, 3)
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in network.parameters())


@pytest.mark.parametrize("settings", [{"unary_scale": -1.0}, {"num_rounds": 0}])
def test_impossible_settings_are_refused(settings):
    with pytest.raises(ValueError, match="expected unary_scale ≥ 0 and counts ≥ 1"):
        KeypointRegistration(**settings)


def test_same_input_gives_the_same_gradient_whatever_the_threads_do():
    network, gradients = registration(num_rounds=1), []
    for _ in range(3):
        network.zero_grad()
        network.register(cloud(600), cloud(900, 1), torch.arange(100)).square().sum().backward()
        gradients.append([parameter.grad.clone() for parameter in network.parameters()])
    assert all(torch.equal(*pair) for other in gradients[1:] for pair in zip(gradients[0], other, strict=True))
