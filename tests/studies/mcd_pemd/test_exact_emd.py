import pytest
import torch
from exact_emd import exact_emd, ground_distance

pytest.importorskip("ot")


def histograms(generator, count):
    return torch.rand(count, 25, generator=generator, dtype=torch.float64).softmax(dim=1)


@pytest.mark.parametrize(("num_bins", "spatial_dims"), [(5, 2), (5, 3), (3, 2)])
def test_ground_distance_is_a_metric_on_the_bins(num_bins, spatial_dims):
    cost = ground_distance(num_bins, spatial_dims)
    assert cost.shape == (num_bins**spatial_dims,) * 2
    torch.testing.assert_close(cost, cost.T)
    assert cost.max() == pytest.approx((num_bins - 1) * spatial_dims**0.5)


def test_a_whole_mass_costs_the_distance_it_moves(generator):
    p, q = torch.eye(25, dtype=torch.float64)[[0, 7]].split(1)  # bins (0, 0) and (1, 2)
    assert exact_emd(p, q, ground_distance()).item() == pytest.approx(5**0.5)


def test_one_dimensional_histograms_have_the_distance_of_their_cumulative_sums(generator):
    p, q = torch.zeros(2, 1, 25, dtype=torch.float64)
    p[0, :5], q[0, :5] = torch.rand(2, 5, generator=generator, dtype=torch.float64).softmax(dim=1)
    expected = (p - q)[0, :5].cumsum(0).abs().sum()
    torch.testing.assert_close(exact_emd(p, q, ground_distance())[0], expected)


def test_is_a_metric(generator):
    p, q, r = histograms(generator, 3).split(1)
    cost = ground_distance()
    assert exact_emd(p, p, cost).item() == pytest.approx(0, abs=1e-12)
    torch.testing.assert_close(exact_emd(p, q, cost), exact_emd(q, p, cost))
    assert exact_emd(p, r, cost) <= exact_emd(p, q, cost) + exact_emd(q, r, cost)


def test_gradient_predicts_the_change_of_a_small_exchange_of_mass(generator):
    p, q = (h.requires_grad_() for h in histograms(generator, 2).split(1))
    value = exact_emd(p, q, ground_distance()).sum()
    (gradient,) = torch.autograd.grad(value, p)
    step = torch.zeros(1, 25, dtype=torch.float64)
    step[0, [3, 20]] = torch.tensor([1e-6, -1e-6], dtype=torch.float64)
    change = exact_emd(p + step, q, ground_distance()).sum() - value
    assert change.item() == pytest.approx((gradient * step).sum().item(), rel=1e-3)
