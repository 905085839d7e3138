import pytest
import torch

from common.methods.mcd_pemd.domains import Domains
from common.methods.mcd_pemd.figure import HeadFigure


class Certain(torch.nn.Module):
    """A network that is certain of one class."""

    def __init__(self, label):
        super().__init__()
        self.logits = torch.nn.Parameter(100.0 * torch.eye(25)[label])

    def forward(self, patches):
        return self.logits.expand(len(patches), -1)


@pytest.mark.parametrize(("label", "is_right"), [(17, True), (12, False)])
def test_the_right_class_brings_the_moved_head_back(label, is_right, generator):
    head = torch.zeros(1, 80, 60, 9)
    head[:, 25:60] = torch.rand(1, 35, 60, 9, generator=generator) + 0.1
    network = Certain(label).train()
    figure = HeadFigure([{"T1": head, "T2": head}], Domains(), network)(None)
    assert figure.shape == (3, 80, 6 * 60 + 5 * 2)
    fixed, moving, warped, difference = (figure[:, 25:60, k * 62 + 5 : k * 62 + 55] for k in range(4))
    assert not torch.allclose(moving, fixed, atol=0.02)
    assert torch.allclose(warped, fixed, atol=0.02) == is_right
    assert (difference.min() > 0.9) == is_right  # white where the two agree
    assert network.training
