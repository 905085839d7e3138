import pytest
import torch

from common.fields.ddf import warp
from common.fields.jacobian import inner_folding_fraction
from common.methods.cyclical_self_training.feature_refinement import AdamSettings, projection_weights, refine_by_adam


def features(channels=4, size=12):
    volume = torch.randn(1, channels, size, size, size, generator=torch.Generator().manual_seed(0))
    for _ in range(3):
        volume = torch.nn.functional.avg_pool3d(volume, 3, 1, 1)
    return volume / volume.std()


@pytest.mark.parametrize(("velocity", "coarse"), [(False, False), (True, False), (True, True)])
@pytest.mark.parametrize("stride", [1, 2])
def test_a_shift_of_the_features_is_found_in_voxels(stride, velocity, coarse):
    moving = features()
    fixed = warp(moving, torch.full((1, 3, 12, 12, 12), 1.0))
    options = {"learning_rate": 0.3, "regularization_weight": 1.0, "projection_channels": 0, "normalize": True}
    settings = AdamSettings(velocity=velocity, coarse_integration=coarse, **options)
    size, margin = 12 * stride, 4 * stride
    found = refine_by_adam(torch.zeros(1, 3, size, size, size), fixed, moving, stride, settings=settings)
    inner = slice(margin, size - margin)
    assert found[..., inner, inner, inner].mean() == pytest.approx(stride, rel=0.15)


def test_no_iterations_return_the_field():
    field = torch.randn(1, 3, 8, 8, 8)
    assert refine_by_adam(field, features(2, 4), features(2, 4), 2, settings=AdamSettings(num_iterations=0)) is field


@pytest.mark.parametrize("velocity", [False, True])
def test_without_a_zero_border_a_constant_field_stays_constant(velocity):
    field = torch.full((1, 3, 24, 24, 24), 4.0)
    featureless = torch.zeros(1, 4, 12, 12, 12)
    fields = [
        refine_by_adam(
            field, featureless, featureless, 2, settings=AdamSettings(3, 0.3, velocity=velocity, zero_border=zero)
        )
        for zero in (False, True)
    ]
    assert torch.allclose(fields[0], field, atol=1e-4)
    assert fields[1][0, 0, 0, 0, 0] < 3.0


def test_the_same_generator_gives_the_same_projection_and_field():
    fixed, moving = features(), features().roll(1, 2)
    fields = [
        refine_by_adam(
            torch.zeros(1, 3, 24, 24, 24),
            fixed,
            moving,
            2,
            settings=AdamSettings(num_iterations=3),
            generator=torch.Generator().manual_seed(seed),
        )
        for seed in (1, 1, 2)
    ]
    assert torch.equal(fields[0], fields[1])
    assert not torch.equal(fields[0], fields[2])


def test_normalized_features_make_the_weight_independent_of_their_scale():
    fixed, moving, zero = features(), features().roll(1, 2), torch.zeros(1, 3, 24, 24, 24)
    settings = AdamSettings(num_iterations=5, projection_channels=0, normalize=True)
    small, large = (refine_by_adam(zero, s * fixed, s * moving, 2, settings=settings) for s in (0.01, 1.0))
    assert torch.allclose(small, large, atol=1e-2)


def test_a_velocity_does_not_fold():
    fixed, moving = features().flip(2), features()
    zero = torch.zeros(1, 3, 24, 24, 24)
    common = {
        "num_iterations": 20,
        "regularization_weight": 0.3,
        "projection_channels": 0,
        "normalize": True,
        "learning_rate": 0.5,
    }
    folds = [
        inner_folding_fraction(
            refine_by_adam(zero, fixed, moving, 2, settings=AdamSettings(velocity=v, **common))
        ).item()
        for v in (False, True)
    ]
    assert folds[0] > 0
    assert folds[1] < 0.1 * folds[0]


def test_a_fixed_border_of_a_velocity_stays_where_the_smoothed_start_has_it():
    fixed, moving = features(), features().roll(1, 2)
    start = 2 * torch.rand(1, 3, 24, 24, 24, generator=torch.Generator().manual_seed(1))
    options = {
        "num_iterations": 10,
        "projection_channels": 0,
        "zero_border": False,
        "velocity": True,
        "normalize": True,
    }

    def refined(moving, fixed_border):
        return refine_by_adam(start, fixed, moving, 2, settings=AdamSettings(fixed_border=fixed_border, **options))

    unmoved, free, still = refined(fixed * 0 + fixed.mean(), True), refined(moving, False), refined(moving, True)
    for axis in range(2, 5):
        for face in (0, -1):
            moved, kept = ((field - unmoved).select(axis, face).abs().max() for field in (free, still))
            assert kept < 1e-4 < 0.05 < moved
    assert (still - unmoved).abs().max() > 0.1


@pytest.mark.parametrize("option", ["fixed_border", "coarse_integration"])
def test_what_only_a_velocity_has_is_refused_of_a_displacement(option):
    with pytest.raises(ValueError, match=f"{option}: expected a velocity"):
        AdamSettings(**{option: True})


def test_projection_has_the_spread_of_a_fresh_convolution():
    weights = projection_weights(64, 1000, torch.Generator().manual_seed(0))
    assert weights.std() == pytest.approx(1 / (3 * 64) ** 0.5, rel=0.05)


def test_settings_out_of_range_are_an_error():
    with pytest.raises(ValueError, match="expected num_iterations ≥ 0, learning_rate > 0"):
        AdamSettings(learning_rate=0.0)
