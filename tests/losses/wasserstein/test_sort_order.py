import pytest
import torch

from common.losses.wasserstein.sort_order import sort_order


@pytest.mark.parametrize("length", [1, 2, 27, 128, 129, 2212])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_order_sorts_rows_of_any_length(length, dtype, generator):
    values = torch.randn(5, length, generator=generator, dtype=dtype)
    tolerance = {"atol": 1e-6, "rtol": 0.0}
    torch.testing.assert_close(values.gather(-1, sort_order(values)), values.sort(dim=-1).values, **tolerance)


@pytest.mark.parametrize("length", [10, 500])
def test_order_is_a_permutation_where_values_are_equal(length):
    assert sort_order(torch.zeros(2, length))[0].tolist() == list(range(length))


def test_negative_zero_counts_as_zero():
    values = torch.zeros(200)
    values[::2] = -0.0
    assert sort_order(values).tolist() == list(range(200))


def test_order_of_long_rows_is_exact(generator):
    values = 1e3 * torch.randn(3, 5000, generator=generator) ** 3
    torch.testing.assert_close(values.gather(-1, sort_order(values)), values.sort(dim=-1).values, atol=0, rtol=0)


def test_values_are_left_as_they_are(generator):
    values = torch.randn(2, 300, generator=generator)
    copy = values.clone()
    sort_order(values)
    assert torch.equal(values, copy)
