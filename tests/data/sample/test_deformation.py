"""Random smooth invertible maps."""

import torch

from common.data.sample.deformation import random_diffeomorphism
from common.fields.jacobian import jacobian_determinant

SHAPE = (40, 48, 36)


def draw(seed, amplitude_voxels=1.0):
    return random_diffeomorphism(SHAPE, torch.Generator().manual_seed(seed), 6.0, amplitude_voxels)


def test_the_field_has_a_component_per_axis():
    assert draw(0).shape == (1, 3, *SHAPE)


def test_the_seed_decides():
    assert torch.equal(draw(0), draw(0))
    assert (draw(0) - draw(1)).abs().mean() > 0.5


def test_the_map_is_invertible_and_moves_by_several_voxels():
    for seed in range(5):
        ddf = draw(seed)
        assert jacobian_determinant(ddf).min() > 0.1
        assert ddf.abs().max() > 2


def test_without_amplitude_an_affine_about_the_center_remains():
    ddf = draw(0, amplitude_voxels=0.0).double()
    for axis in range(2, 5):
        assert ddf.diff(n=2, dim=axis).abs().max() < 1e-4
    assert torch.nn.functional.interpolate(ddf, (1, 1, 1), mode="trilinear").abs().max() < 1e-3
