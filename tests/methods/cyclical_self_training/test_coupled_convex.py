import pytest
import torch

from common.methods.cyclical_self_training.correlation import smooth_correlation
from common.methods.cyclical_self_training.coupled_convex import COUPLINGS, coupled_convex, coupling_cost, soft_argmin

COUPLING_LIST = list(COUPLINGS)


def solve(fixed, moving, radius=2):
    return coupled_convex(smooth_correlation(5 * fixed, 5 * moving, radius), radius, COUPLING_LIST)


@pytest.mark.parametrize("shift", [(1, 0, 0), (0, 2, 0), (0, 0, -2), (-1, 1, 2)])
def test_integer_shifts_are_recovered_exactly(rough, shift):
    field = solve(rough, rough.roll(shift, (2, 3, 4)))
    inner = field[..., 4:-4, 4:-4, 4:-4]
    assert torch.allclose(inner, torch.tensor(shift).float().view(1, 3, 1, 1, 1).expand_as(inner), atol=1e-5)


def test_uniform_features_give_zero():
    features = torch.ones(1, 4, 8, 8, 8)
    padded_cost = smooth_correlation(features, features, 1)[..., 3:-3, 3:-3, 3:-3]
    assert coupled_convex(padded_cost, 1, COUPLING_LIST).abs().max() < 1e-6


def test_solution_equals_the_naive_reference(rough, naive):
    cost_volume = naive[0](rough, rough.roll(1, 3), 2).double() / 20
    found = coupled_convex(cost_volume, 2, COUPLING_LIST)
    assert torch.allclose(found, naive[1](cost_volume, 2, COUPLINGS, 20.0), atol=1e-6)


@pytest.mark.parametrize("error", ["axes", "coupling", "sharpness"])
def test_planted_errors_are_caught(rough, naive, error):
    cost_volume = naive[0](rough, rough.roll(1, 3), 2).double() / 20
    wrong = {
        "axes": lambda: naive[1](cost_volume, 2, COUPLINGS, 20.0).flip(1),
        "coupling": lambda: naive[1](cost_volume, 2, [2 * c for c in COUPLINGS], 20.0),
        "sharpness": lambda: naive[1](cost_volume, 2, COUPLINGS, 10.0),
    }[error]()
    assert not torch.allclose(coupled_convex(cost_volume, 2, COUPLING_LIST), wrong, atol=1e-3)


def test_a_batch_equals_a_loop(rough):
    batch = torch.cat([rough, rough.flip(2)])
    together = solve(batch, batch.roll(1, 2))
    apart = torch.cat([solve(one[None], one[None].roll(1, 2)) for one in batch])
    assert torch.allclose(together, apart, atol=1e-6)


def test_gradients_reach_both_feature_maps(rough):
    fixed, moving = 0.1 * rough.clone(), 0.1 * rough.roll(1, 2)
    fixed.requires_grad_(), moving.requires_grad_()
    solve(fixed, moving).square().sum().backward()
    for grad in (fixed.grad, moving.grad):
        assert torch.isfinite(grad).all()
        assert grad.abs().max() > 0


def test_a_sharper_soft_argmin_tends_to_the_least_cost():
    cost_volume = torch.tensor([0.3, 0.1, 0.2]).view(1, 3, 1, 1)
    steps = torch.tensor([[-1.0], [0.0], [1.0]])
    errors = [soft_argmin(cost_volume, steps, sharpness).abs().item() for sharpness in (10.0, 30.0, 100.0)]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 1e-3


def test_coupling_cost_is_the_squared_distance():
    field, candidates = torch.randn(2, 3, 2, 2, 2), torch.randn(5, 3)
    expected = (candidates.view(1, 5, 3, 1, 1, 1) - field.unsqueeze(1)).square().sum(2)
    assert torch.allclose(coupling_cost(field, candidates), expected, atol=1e-5)


def test_a_cost_volume_of_another_radius_is_an_error():
    with pytest.raises(ValueError, match="expected 125 displacements for a radius of 2, got 27"):
        coupled_convex(torch.zeros(1, 27, 3, 3, 3), 2, COUPLING_LIST)
