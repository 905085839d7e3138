import pytest
import torch

from common.methods.mcd_pemd.discrepancy import (
    DISCREPANCIES,
    ClassifierDiscrepancy,
    SlicedWassersteinDiscrepancy,
    l1_discrepancy,
    sliced_wasserstein_discrepancy,
)


def probabilities(generator, count=8):
    return torch.rand(2, count, 25, generator=generator, dtype=torch.float64).mul(5).softmax(dim=2).unbind()


def test_l1_of_opposite_certainties_is_two_over_the_number_of_classes():
    p, q = torch.eye(25)[[0]], torch.eye(25)[[1]]
    assert l1_discrepancy(p, q).item() == pytest.approx(2 / 25)


def test_sliced_wasserstein_equals_pot(generator):
    ot = pytest.importorskip("ot")
    p, q = probabilities(generator)
    directions = torch.nn.functional.normalize(torch.randn(25, 40, generator=generator, dtype=torch.float64), dim=0)
    expected = ot.sliced_wasserstein_distance(p.numpy(), q.numpy(), projections=directions.numpy()) ** 2
    assert sliced_wasserstein_discrepancy(p, q, directions).item() == pytest.approx(expected, rel=1e-9)


def test_sliced_wasserstein_is_blind_to_the_order_of_samples_and_of_classes(generator):
    p, q = probabilities(generator)
    directions = torch.randn(25, 40, generator=generator, dtype=torch.float64)
    order, classes = torch.randperm(8, generator=generator), torch.randperm(25, generator=generator)
    value = sliced_wasserstein_discrepancy(p, q, directions)
    torch.testing.assert_close(value, sliced_wasserstein_discrepancy(p[order], q, directions))
    torch.testing.assert_close(value, sliced_wasserstein_discrepancy(p[:, classes], q[:, classes], directions[classes]))


def test_directions_change_with_each_call_and_continue_after_loading(generator):
    first, second = SlicedWassersteinDiscrepancy(seed=3), SlicedWassersteinDiscrepancy(seed=3)
    p, q = probabilities(generator)
    values = [first(p, q) for _ in range(3)]
    assert values[0] != values[1]
    second(p, q)
    second.load_state_dict({"num_calls": torch.tensor(2)})
    assert second(p, q) == values[2]


@pytest.mark.parametrize("name", [name for name in DISCREPANCIES if name != "none"])
def test_is_zero_for_agreement_and_positive_otherwise(name, generator):
    p, q = probabilities(generator)
    discrepancy = ClassifierDiscrepancy(name)
    assert discrepancy(p, p) == pytest.approx(0, abs=1e-12)
    assert discrepancy(p, q) > 0


def test_sum_adds_its_weighted_terms(generator):
    p, q = probabilities(generator)
    value = ClassifierDiscrepancy("pemd16_swd", swd_weight=5.0)(p, q)
    torch.testing.assert_close(value, ClassifierDiscrepancy("pemd16")(p, q) + 5 * ClassifierDiscrepancy("swd")(p, q))


@pytest.mark.parametrize("name", [name for name in DISCREPANCIES if name != "none"])
def test_gradient_reaches_both_heads(name, generator):
    p, q = (h.requires_grad_() for h in probabilities(generator))
    ClassifierDiscrepancy(name)(p, q).backward()
    assert p.grad.abs().sum() > 0
    assert q.grad.abs().sum() > 0


def test_a_misspelt_name_is_answered_with_the_known_ones():
    with pytest.raises(ValueError, match=r"expected one of none, l1, swd.*got 'pemd_16'"):
        ClassifierDiscrepancy("pemd_16")
