"""Tests of the greedy solver's way on features."""

import torch

from common.fields.jacobian import central_difference
from common.fields.sampling import identity_grid
from common.fields.smoothing import gaussian_smooth
from common.methods.any_contrast.motion import SOLVER, disagreement, greedy_force, solver_state

SHAPE = (12, 14, 13)
EVERYWHERE = torch.ones(1, 1, *SHAPE, dtype=torch.bool)


def fields(seed=0):
    return torch.randn(2, 1, 3, *SHAPE, generator=torch.Generator().manual_seed(seed))


def test_the_force_is_that_of_demons_smoothed():
    features = torch.rand(2, 4, *SHAPE, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    slopes = torch.stack([central_difference(features[1:], axis) for axis in (2, 3, 4)], dim=1)
    rest = (features[:1] - features[1:])[:, None]
    force = (rest * slopes).sum(2) / (slopes.square().sum((1, 2)) + rest.square().sum((1, 2)))
    found = greedy_force(features, torch.zeros(1, 3, *SHAPE, dtype=torch.float64))
    torch.testing.assert_close(found, gaussian_smooth(force, SOLVER.fluid))


def test_features_that_name_the_place_tell_a_shift():
    """Slopes are those of the identity, so the force is s / (3 + |s|²)."""
    places, shift = identity_grid(list(SHAPE))[None], torch.tensor([0.3, -0.2, 0.1]).view(1, 3, 1, 1, 1)
    expected = (shift / (3 + shift.square().sum())).expand(1, 3, *SHAPE)
    found = greedy_force(torch.cat([places + shift, places]), torch.zeros(1, 3, *SHAPE))
    torch.testing.assert_close(found, expected)
    assert disagreement(found, expected, EVERYWHERE).abs() < 1e-5


def test_the_solver_comes_nearer_step_by_step():
    places = identity_grid(list(SHAPE))[None] / 4
    features, zero = torch.cat([places + 0.25, places]), torch.zeros(1, 3, *SHAPE)
    states = [solver_state(features, zero, num_steps)[..., 6, 6, 6] for num_steps in (0, 1, 3)]
    errors = [(state - 1).norm().item() for state in states]
    assert errors[0] > errors[1] > errors[2]
    assert torch.equal(solver_state(features, zero, 0), zero)


def test_the_solver_leaves_no_graph():
    features = torch.rand(2, 3, *SHAPE, requires_grad=True)
    assert not solver_state(features, torch.zeros(1, 3, *SHAPE), 1).requires_grad


def test_agreement_knows_no_length_of_the_force():
    force, way = fields()
    assert abs(disagreement(force, way, EVERYWHERE) - 1) < 0.1
    torch.testing.assert_close(disagreement(7 * force, way, EVERYWHERE), disagreement(force, way, EVERYWHERE))
    torch.testing.assert_close(
        disagreement(force, way, EVERYWHERE) + disagreement(-force, way, EVERYWHERE), torch.tensor(2.0)
    )


def test_places_outside_of_the_mask_do_not_count():
    force, way = fields(1)
    inside = EVERYWHERE.clone()
    inside[..., :6, :, :] = False
    other = torch.where(inside, force, 100 * way)
    torch.testing.assert_close(disagreement(force, way, inside), disagreement(other, way, inside))


def test_without_a_place_the_loss_and_its_gradient_are_finite():
    force, way = fields(2)
    force.requires_grad_()
    loss = disagreement(force, way, ~EVERYWHERE)
    loss.backward()
    assert loss == 1
    assert force.grad.abs().max() == 0
