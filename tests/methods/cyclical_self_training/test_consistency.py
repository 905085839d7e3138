import pytest
import torch

from common.fields.ddf import invert
from common.methods.cyclical_self_training.consistency import make_consistent


def smooth_field(seed, size=12):
    field = torch.randn(1, 3, size, size, size, generator=torch.Generator().manual_seed(seed))
    for _ in range(8):
        field = torch.nn.functional.avg_pool3d(field, 3, 1, 1)
    return 0.4 * field / field.abs().max()


def inner(field):
    return field[..., 3:-3, 3:-3, 3:-3]


def test_inverse_fields_stay_as_they_are():
    forward = smooth_field(0)
    found, _ = make_consistent(forward, invert(forward), 3)
    assert inner(found - forward).abs().max() < 0.05


def test_opposite_constant_fields_meet_in_their_mean():
    forward, backward = torch.full((1, 3, 4, 4, 4), 1.0), torch.full((1, 3, 4, 4, 4), -0.5)
    found = make_consistent(forward, backward)
    assert found[0].unique().item() == pytest.approx(0.75, abs=1e-6)
    assert found[1].unique().item() == pytest.approx(-0.75, abs=1e-6)


def test_inconsistency_falls():
    forward = smooth_field(0)
    backward = invert(forward) + 0.3 * smooth_field(1)

    def inconsistency(pair):
        return inner(pair[1] - invert(pair[0])).abs().mean()

    assert inconsistency(make_consistent(forward, backward)) < 0.3 * inconsistency((forward, backward))


def test_both_fields_are_updated_from_the_same_round():
    forward, backward = torch.full((1, 2, 3, 3), 1.0), torch.zeros(1, 2, 3, 3)
    found = make_consistent(forward, backward, 1)
    assert [field.unique().item() for field in found] == [0.5, -0.5]


def test_fields_of_different_shapes_are_an_error():
    with pytest.raises(ValueError, match="fields of one shape"):
        make_consistent(torch.zeros(1, 3, 4, 4, 4), torch.zeros(1, 3, 4, 4, 5))
