"""What the greedy solver takes: memory, and tensors of no device but that of its arguments."""

import weakref

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from common.fields.smoothing import gaussian_smooth
from common.solvers.greedy import greedy_field
from common.solvers.greedy_settings import Greedy

DTYPES = torch.float32, torch.float64
WORKING_VOLUMES = 13  # beside the images and the field


class LiveMemory(TorchDispatchMode):
    """Most bytes of the tensors that were made within the block and lived at one time, beside those given."""

    def __init__(self, *given):
        super().__init__()
        self.live, self.peak = {tensor.untyped_storage()._cdata: 0 for tensor in given}, 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, torch.Tensor):
                self._count(tensor.untyped_storage())
        return result

    def _count(self, storage):
        if storage._cdata not in self.live:
            self.live[storage._cdata] = storage.nbytes()
            weakref.finalize(storage, self.live.pop, storage._cdata)
            self.peak = max(self.peak, sum(self.live.values()))


def pair(size, dims=3):
    generator = torch.Generator().manual_seed(0)
    fixed = gaussian_smooth(torch.rand(1, 1, *[size] * dims, generator=generator), 1.0)
    return torch.zeros(1, dims, *[size] * dims), fixed, fixed.roll(1, 2)


def test_memory_beside_the_images_and_the_field_is_a_dozen_volumes():
    ddf, fixed, moving = pair(64)
    with LiveMemory(ddf, fixed, moving) as memory:
        greedy_field(ddf, fixed, moving, 2)
    assert memory.peak / (fixed.numel() * fixed.element_size()) - ddf.size(1) < WORKING_VOLUMES


def test_a_copy_too_many_is_found():
    with LiveMemory() as memory:
        once = torch.zeros(1000)
        del once
        twice = torch.zeros(1000)
        thrice = twice + 1
    assert memory.peak == 8000
    assert thrice.sum() == 1000


@pytest.mark.parametrize("similarity", ["lncc", "mse", "mind"])
@pytest.mark.parametrize("dims", [2, 3])
def test_no_tensor_is_made_on_another_device_than_the_arguments(dims, similarity):
    ddf, fixed, moving = pair(12, dims)
    expected = greedy_field(ddf, fixed, moving, 3, Greedy(similarity), inside=torch.ones_like(moving))
    with torch.device("meta"):  # where whatever asks for no device is made; it has no values, and mixing is an error
        found = greedy_field(ddf, fixed, moving, 3, Greedy(similarity), inside=torch.ones(moving.shape, device="cpu"))
    assert torch.equal(found, expected)


@pytest.mark.parametrize("similarity", ["lncc", "mse", "mind"])
def test_single_and_double_precision_agree(similarity):
    images = pair(16)
    single, double = (greedy_field(*(x.to(dtype) for x in images), 5, Greedy(similarity)) for dtype in DTYPES)
    assert (single - double).abs().max() < 1e-3
