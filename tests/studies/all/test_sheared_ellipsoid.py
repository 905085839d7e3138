"""Maps of a sheared ellipsoid without texture: what can be written down, and what the affine step finds."""

import math

import pytest
import torch

SHEAR = 0.15


@pytest.fixture
def study(load_script, monkeypatch, pytestconfig):
    monkeypatch.syspath_prepend(str(pytestconfig.rootpath / "scripts/studies/all"))
    return load_script("sheared_ellipsoid")


def test_the_turn_of_the_axes_is_that_of_the_covariance(study):
    shear = torch.eye(3, dtype=torch.float64)
    shear[0, 1] = SHEAR
    covariance = shear @ study.HALF_AXES_MM.square().diag() @ shear.T
    longest = torch.linalg.eigh(covariance).eigenvectors[:, -1]
    assert math.tan(study.axes_turn(SHEAR)) == pytest.approx((longest[1] / longest[0]).item())


def test_no_rigid_map_nearby_has_less_error_than_the_nearest_one(study):
    points = torch.randn(50, 3, generator=torch.Generator().manual_seed(0)).double()
    targets = points @ torch.tensor([[1, SHEAR, 0], [0, 1, 0], [0, 0, 1]]).double().T + 3.0
    best = study.nearest_rigid(points, targets)
    linear, shift = best[:3, :3], best[:3, 3]
    assert torch.allclose(linear @ linear.T, torch.eye(3).double())

    def error(linear):
        return (points @ linear.T + shift - targets).square().sum().item()

    assert all(error(linear) < error(linear @ study.turn(angle)) for angle in (-0.05, 0.05))


def test_six_parameters_turn_with_the_axes_and_twelve_leave_less_than_any_six(study):
    found = {name: (mean_mm, degrees) for name, mean_mm, _, degrees in study.rows(SHEAR, ["ours_rigid", "ours"])}
    assert found["ours_rigid"][1] == pytest.approx(math.degrees(study.axes_turn(SHEAR)), abs=2)
    assert found["ours"][0] < 0.6 * found["the nearest rigid map"][0]
