import pytest
import torch

from common.metrics.landmarks import landmark_distance_mm, target_registration_error_mm
from common.world.grid import Grid


def test_error_is_in_mm_whatever_the_spacing():
    grid = Grid((4, 4, 4), torch.diag(torch.tensor([3.0, 2.0, 0.5, 1.0])))
    points, field_mm = torch.rand(6, 3), torch.zeros(3, 4, 4, 4)
    error = target_registration_error_mm(points, points + torch.tensor([0.0, 3.0, 4.0]), field_mm, grid)
    torch.testing.assert_close(error, torch.full((6,), 5.0, dtype=torch.float64), atol=1e-6, rtol=0)


def test_field_of_the_wrong_direction_doubles_the_error():
    grid, points = Grid((4, 4, 4), torch.eye(4)), torch.zeros(1, 3)
    field_mm = torch.full((3, 4, 4, 4), -1.0)
    error = target_registration_error_mm(points, points + 1, field_mm, grid)
    assert error.item() == pytest.approx(2 * 3**0.5)


def test_clouds_of_other_sizes_are_refused():
    with pytest.raises(ValueError, match=r"expected two tensors \(N, 3\)"):
        landmark_distance_mm(torch.zeros(2, 3), torch.zeros(3, 3))
