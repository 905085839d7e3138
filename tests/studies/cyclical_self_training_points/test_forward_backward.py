import torch
from forward_backward import forward_backward_error_mm

from common.methods.cyclical_self_training_points.network import KeypointRegistration


def test_exact_correspondences_come_back_and_random_clouds_do_not():
    generator = torch.Generator().manual_seed(0)
    fixed, other = (2 * torch.rand(150, 3, generator=generator) - 1 for _ in range(2))
    network = KeypointRegistration(unary_scale=0.0, num_candidates=24, sharpness=1e4).eval()
    scale = torch.full((3,), 100.0)
    exact = forward_backward_error_mm(network, fixed, fixed + 0.03, scale, smoothing=0.01)
    wrong = forward_backward_error_mm(network, fixed, other, scale, smoothing=0.01)
    assert exact.shape == (150,)
    assert exact.mean() < 0.01 < 1 < wrong.mean()
