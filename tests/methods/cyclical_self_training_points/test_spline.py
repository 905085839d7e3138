import pytest
import torch

from common.methods.cyclical_self_training_points.spline import ThinPlateSpline


def cloud(count=40, seed=0):
    return torch.rand(count, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_spline_without_smoothing_interpolates():
    points, displacements = cloud(), cloud(seed=1)
    assert torch.allclose(ThinPlateSpline(points, displacements, 0.0)(points), displacements, atol=1e-8)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 10.0])
def test_affine_displacements_are_reproduced_anywhere(smoothing):
    points, matrix = cloud(), cloud(3, 2)
    spline = ThinPlateSpline(points, points @ matrix + 0.3, smoothing)
    elsewhere = 3 * cloud(10, 3) - 1
    assert torch.allclose(spline(elsewhere), elsewhere @ matrix + 0.3, atol=1e-8)


def test_more_smoothing_leaves_less_of_noise():
    points, noise = cloud(), cloud(seed=1) - 0.5
    remains = [ThinPlateSpline(points, noise, smoothing)(points).norm() for smoothing in (0.0, 0.1, 10.0)]
    assert remains[0] > remains[1] > remains[2]


def test_large_smoothing_of_its_own_ignores_a_point():
    points, displacements = cloud(), torch.zeros(40, 3, dtype=torch.float64)
    displacements[0] = 1.0
    smoothing = torch.full((40,), 0.01, dtype=torch.float64)
    smoothing[0] = 1e6
    assert ThinPlateSpline(points, displacements, smoothing)(points[:1]).abs().max() < 1e-3


@pytest.mark.parametrize("points", [cloud(3), torch.cat([cloud(9)[:, :2], torch.zeros(9, 1)], 1)])
def test_too_few_or_flat_points_are_refused(points):
    with pytest.raises(ValueError, match=r"N ≥ 4|one plane"):
        ThinPlateSpline(points, torch.zeros_like(points))
