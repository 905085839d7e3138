"""A search on the pair makes a field better and never folds it."""

import pytest
import torch
from torch.nn import functional

from common.fields.jacobian import jacobian_determinant
from common.inferers.instance_search import InstanceSearchInferer


@pytest.fixture
def image(generator):
    """A smooth image, and the same two voxels along the first axis with inverted contrast."""
    noise = functional.interpolate(torch.rand(1, 1, 8, 8, 8, generator=generator), (36, 32, 32), mode="trilinear")
    return torch.cat([noise[:, :, 2:34], 1 - noise[:, :, :32]], dim=1)


def zero_field(image):
    return torch.zeros(1, 3, *image.shape[2:])


def test_search_finds_a_shift_across_inverted_contrast(image):
    ddf = InstanceSearchInferer(num_search_steps=40, search_weight=0.01)(image, zero_field)
    inner = ddf[0, :, 8:-8, 8:-8, 8:-8].mean(dim=(1, 2, 3))
    assert inner[0].item() == pytest.approx(2.0, abs=0.6)
    assert inner[1:].abs().max() < 0.6
    assert jacobian_determinant(ddf).min() > 0


def test_no_steps_leave_the_networks_field(image):
    assert torch.equal(InstanceSearchInferer(num_search_steps=0)(image, zero_field), zero_field(image))


def test_negative_number_of_steps_is_refused():
    with pytest.raises(ValueError, match="expected num_search_steps and search_weight ≥ 0"):
        InstanceSearchInferer(num_search_steps=-1)
