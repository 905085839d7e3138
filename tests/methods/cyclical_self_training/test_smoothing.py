import pytest
import torch
import torch.nn.functional as F

from common.methods.cyclical_self_training.smoothing import box_smooth


@pytest.mark.parametrize("zero_border", [True, False])
@pytest.mark.parametrize("times", [0, 1, 3])
def test_smoothing_equals_pooling(zero_border, times):
    volume = torch.randn(2, 3, 5, 6, 7, dtype=torch.float64)
    expected = volume
    for _ in range(times):
        expected = F.avg_pool3d(expected, 3, 1, 1, count_include_pad=zero_border)
    assert torch.allclose(box_smooth(volume, times, zero_border), expected)


def test_the_input_is_left_as_it_is():
    volume = torch.randn(1, 1, 4, 4, 4)
    before = volume.clone()
    box_smooth(volume, 2)
    assert torch.equal(volume, before)


def test_gradient():
    volume = torch.randn(1, 1, 3, 4, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: box_smooth(x, 2, True), volume)
