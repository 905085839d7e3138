import pytest
import torch

from common.fields.jacobian import jacobian_determinant
from common.fields.sampling import sample
from common.solvers.greedy import greedy_field
from common.solvers.point_force import PointForce

FLAT = torch.full((1, 1, 40, 36), 0.5)
FIXED = torch.tensor([[12.0, 10.0], [27.5, 25.25]])
MOVING = FIXED + torch.tensor([[3.0, -1.5], [-2.0, 0.5]])


def mapped(points, ddf):
    return points + sample(ddf, points.T[None, :, :, None])[0, :, :, 0].T


def test_points_meet_without_folds():
    ddf = greedy_field(torch.zeros(1, 2, 40, 36), FLAT, FLAT, 100, others=[(1.0, PointForce(FIXED, MOVING, 1.5))])
    assert (mapped(FIXED, ddf) - MOVING).norm(dim=1).max() < 0.5
    assert jacobian_determinant(ddf).min() > 0


def test_the_force_at_a_point_is_what_is_left_of_its_way():
    ddf = torch.zeros(1, 2, 40, 36)
    ddf[:, 0] = 2.5
    similarity, force = PointForce(FIXED[:1], MOVING[:1], 1.5)(ddf)
    assert similarity == pytest.approx(-((0.5**2 + 1.5**2) ** 0.5))
    expected = torch.tensor([0.5, -1.5]) / (0.5**2 + 1.5**2) ** 0.5  # bounded to one voxel
    torch.testing.assert_close(force[0, :, 12, 10], expected, atol=1e-5, rtol=0)


def test_points_that_have_met_and_points_outside_have_no_force():
    outside = torch.tensor([[-5.0, 3.0]])
    for points in (FIXED, outside):
        assert PointForce(points, points + (points is outside), 1.5)(torch.zeros(1, 2, 40, 36))[1].abs().max() == 0
