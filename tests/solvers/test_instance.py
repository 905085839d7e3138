import pytest
import torch

from common.fields.ddf import warp
from common.fields.jacobian import inner_folding_fraction, jacobian_determinant
from common.losses.registration import diffusion
from common.solvers.instance import control_shape, optimize_field, spline_upsample, zero_border_planes


def blobs(size=20):
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(1, 1, size, size, size, generator=generator)
    for _ in range(12):
        noise = torch.nn.functional.avg_pool3d(noise, 3, 1, 1)
    return noise / noise.std()


def registration_loss(fixed, moving, weight=0.3):
    return lambda ddf: (warp(moving, ddf) - fixed).square().mean() + weight * diffusion(ddf)


@pytest.mark.parametrize("velocity", [False, True])
@pytest.mark.parametrize("spacing", [1, 3])
def test_a_shifted_image_is_found_again(velocity, spacing):
    moving = blobs()
    shift = torch.tensor([1.0, -1.5, 0.5]).view(1, 3, 1, 1, 1).expand(1, 3, 20, 20, 20)
    fixed = warp(moving, shift)
    found = optimize_field(
        torch.zeros(1, 3, 20, 20, 20),
        registration_loss(fixed, moving),
        num_iterations=80,
        learning_rate=0.1,
        control_spacing=spacing,
        velocity=velocity,
    )
    assert (found - shift)[..., 5:-5, 5:-5, 5:-5].abs().mean() < 0.3


def test_no_iteration_returns_the_initial_field():
    ddf = torch.randn(1, 3, 4, 5, 6)
    assert torch.equal(optimize_field(ddf, lambda u: u.sum(), num_iterations=0, learning_rate=1.0), ddf)


def test_constant_coefficients_give_a_constant_field_on_any_grid():
    field = spline_upsample(torch.full((1, 3, 4, 5, 6), 1.5), [9, 7, 20])
    assert torch.allclose(field, torch.full((1, 3, 9, 7, 20), 1.5))


def test_upsampling_is_a_b_spline_at_the_control_points():
    control = torch.zeros(1, 2, 5, 5)
    control[:, :, 2, 2] = 1.0
    field = spline_upsample(control, [9, 9])
    assert field[0, 0, 4, 4] == pytest.approx(16 / 36)
    assert field[0, 0, 2, 4] == pytest.approx(4 / 36)


def test_control_points_are_no_farther_apart_than_asked():
    for size in range(2, 40):
        assert (size - 1) / (control_shape([size], 4)[0] - 1) <= 4


def test_a_velocity_does_not_fold_where_a_displacement_does():
    target = 3.0 * torch.randn(1, 3, 12, 12, 12, generator=torch.Generator().manual_seed(0))

    def loss(ddf):
        return (ddf - target).square().mean()

    options = {"num_iterations": 60, "learning_rate": 0.3, "control_spacing": 3}
    zero = torch.zeros(1, 3, 12, 12, 12)
    folds = [inner_folding_fraction(optimize_field(zero, loss, velocity=v, **options)).item() for v in (False, True)]
    assert folds[0] > 0
    assert folds[1] < folds[0] / 10


def smooth_target(size):
    field = torch.randn(1, 3, size, size + 2, size + 4, generator=torch.Generator().manual_seed(0))
    for _ in range(8):
        field = torch.nn.functional.avg_pool3d(field, 5, 1, 2, count_include_pad=False)
    return 2 * field / field.abs().max()


@pytest.mark.parametrize("spacing", [1, 3])
def test_integration_on_the_control_points_gives_about_the_same_field(spacing):
    target = smooth_target(20)
    options = {"num_iterations": 60, "learning_rate": 0.1, "control_spacing": spacing, "velocity": True}
    found = [
        optimize_field(
            torch.zeros_like(target), lambda u: (u - target).square().mean(), coarse_integration=coarse, **options
        )
        for coarse in (False, True)
    ]
    assert (found[0] - found[1]).abs().mean() < 0.05
    assert (found[1] - target).abs().mean() < 0.1
    if spacing == 1:
        assert torch.equal(*found)


def on_the_border(field):
    inner = torch.zeros_like(field[0, 0], dtype=torch.bool)
    inner[1:-1, 1:-1, 1:-1] = True
    return field[0, :, ~inner]


@pytest.mark.parametrize(("velocity", "coarse"), [(False, False), (True, False), (True, True)])
@pytest.mark.parametrize("spacing", [1, 3])
@pytest.mark.parametrize("length", [4, 16])  # of the first axis; 4 voxels have no control point but on their border
def test_a_fixed_border_keeps_its_displacement_and_the_rest_moves(velocity, coarse, spacing, length):
    target, start = smooth_target(16)[:, :, :length], smooth_target(16).flip(2, 4)[:, :, :length].contiguous()
    found = optimize_field(
        start,
        lambda u: (u - target).square().mean(),
        num_iterations=40,
        learning_rate=0.1,
        control_spacing=spacing,
        velocity=velocity,
        coarse_integration=coarse,
        fixed_border=True,
    )
    assert torch.allclose(on_the_border(found), on_the_border(start), atol=1e-4)
    before, after = ((field - target)[..., 1:-1, 4:-4, 4:-4].abs().mean() for field in (start, found))
    assert after < 0.8 * before


def test_a_spline_with_a_fixed_border_goes_to_zero_there():
    field = spline_upsample(torch.ones(1, 3, 5, 5, 5), [13, 13, 13], fixed_border=True)
    assert on_the_border(field).abs().max() == 0
    assert field[..., 3:-3, 3:-3, 3:-3].min() == pytest.approx(1.0)


def folds_beyond(found, width=6):
    """Voxels of a margin around a field, where its border goes on, whose map folds."""
    wide = torch.nn.functional.pad(found, (width,) * 6, mode="replicate")
    folds = jacobian_determinant(wide)[0, 0] <= 0
    return folds.sum() - folds[width:-width, width:-width, width:-width].sum()


def test_a_fixed_border_adds_no_folds_beyond_the_grid():
    start = torch.zeros(1, 3, 13, 13, 13)
    start[:, 1, 6, 6, 12] = -3.0  # a fold of the start at the far face of the last axis, which remains
    target = start.clone()
    target[:, 0, :, :, :6] -= 2 * torch.arange(-6.0, 7.0).view(1, 13, 1, 1)  # the near half turned over along the first
    own = folds_beyond(start)
    options = {"num_iterations": 60, "learning_rate": 0.3, "control_spacing": 2}

    def found(fixed_border):
        return folds_beyond(
            optimize_field(start, lambda u: (u - target).square().mean(), fixed_border=fixed_border, **options)
        )

    assert own > 0
    assert found(False) > own
    assert found(True) == own


def test_an_axis_of_one_or_two_points_has_no_border_planes():
    assert zero_border_planes(torch.ones(1, 3, 1, 5, 2)).sum() == 3 * 3 * 2


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_gradients_are_found_where_they_are_switched_off(mode):
    with mode():
        found = optimize_field(
            torch.zeros(1, 3, 3, 3, 3), lambda u: (u - 1).square().mean(), num_iterations=50, learning_rate=0.1
        )
    assert found.mean() == pytest.approx(1.0, abs=0.1)
    assert not found.requires_grad


def test_each_iteration_is_reported():
    seen = []
    optimize_field(
        torch.zeros(1, 3, 2, 2, 2),
        lambda u: (u - 1).square().sum(),
        num_iterations=3,
        learning_rate=0.1,
        on_iteration=lambda iteration, value: seen.append((iteration, value)),
    )
    assert [iteration for iteration, _ in seen] == [0, 1, 2]
    assert seen[0][1] == pytest.approx(24.0)


def test_a_loss_that_is_not_finite_is_an_error():
    with pytest.raises(ValueError, match="finite loss, got nan in iteration 0"):
        optimize_field(
            torch.zeros(1, 3, 2, 2, 2), lambda u: u.sum() * float("nan"), num_iterations=1, learning_rate=1.0
        )


def test_numbers_out_of_range_are_an_error():
    with pytest.raises(ValueError, match=r"control_spacing ≥ 1, got 1, 1\.0 and 0"):
        optimize_field(torch.zeros(1, 3, 2, 2, 2), torch.sum, num_iterations=1, learning_rate=1.0, control_spacing=0)
