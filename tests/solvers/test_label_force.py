import pytest
import torch

from common.fields.ddf import warp
from common.solvers.force_sum import ForceSum
from common.solvers.greedy import greedy_field
from common.solvers.greedy_settings import Greedy
from common.solvers.label_force import LabelForce, common_labels


def block(start, number=3):
    labels = torch.zeros(1, 1, 40, 36, dtype=torch.int32)
    labels[..., start : start + 10, 12:24] = number
    return labels


def dice(first, second):
    return (2 * (first & second).sum() / (first.sum() + second.sum())).item()


def test_labels_of_equal_intensity_are_brought_together():
    fixed, moving, flat = block(12), block(16), torch.full((1, 1, 40, 36), 0.5)
    ddf = greedy_field(torch.zeros(1, 2, 40, 36), flat, flat, 60, others=[(1.0, LabelForce(fixed, moving))])
    warped = warp((moving == 3).float(), ddf) > 0.5
    assert dice(fixed == 3, moving == 3) == pytest.approx(0.6)
    assert dice(fixed == 3, warped) > 0.95


def test_labels_that_agree_have_no_force():
    similarity, force = LabelForce(block(12), block(12))(torch.zeros(1, 2, 40, 36))
    assert similarity == pytest.approx(1)
    assert force.abs().max() < 1e-5


def test_a_wider_moving_map_gives_the_same_force():
    ddf, wide = torch.zeros(1, 2, 40, 36), torch.nn.functional.pad(block(14), (5, 5, 4, 4))
    near, far = LabelForce(block(12), block(14)), LabelForce(block(12), wide, torch.tensor([4.0, 5.0]))
    torch.testing.assert_close(far(ddf)[1], near(ddf)[1])


def test_only_labels_of_both_maps_take_part():
    fixed = torch.cat([block(2, 3), block(20, 8)], dim=1).amax(dim=1, keepdim=True)
    assert common_labels(fixed, block(20, 8)) == [8]
    _, force = LabelForce(fixed, block(22, 8))(torch.zeros(1, 2, 40, 36))
    assert force[0, 0, 20:34].sum() > 1
    assert force[0, :, :14].abs().max() == 0


def test_a_sum_of_forces_without_others_is_the_force_of_the_images():
    force = torch.randn(1, 2, 5, 5, generator=torch.Generator().manual_seed(0))
    similarity, total = ForceSum(lambda ddf: (0.5, force.clone()))(torch.zeros(1, 2, 5, 5))
    assert similarity == 0.5
    assert torch.equal(total, force)


def test_the_weight_of_labels_decides_against_the_images():
    fixed, moving = block(12), block(15)
    shown = (fixed > 0).float()  # the images say: nothing to move
    errors = []
    for weight in (0.0, 3.0):
        others = [(weight, LabelForce(fixed, moving))] if weight else []
        ddf = greedy_field(
            torch.zeros(1, 2, 40, 36), shown, shown, 40, Greedy("mse", fluid=1.5, elastic=0.6), others=others
        )
        errors.append(dice(fixed == 3, warp((moving == 3).float(), ddf) > 0.5))
    assert errors[0] == pytest.approx(0.7, abs=0.01)
    assert errors[1] > 0.85
