import pytest
import torch
from torch.utils.data import DataLoader

from common.data.epoch_order import EpochSampler, epoch_order, local_batch_size


def batches(num_samples, batch_size, world_size, drop_last=False, epoch=3, start_batch=0):
    """Global batches as sets, made of the batches of all processes."""
    ranks = []
    for rank in range(world_size):
        sampler = EpochSampler(range(num_samples), batch_size, 0, drop_last=drop_last, rank=rank, world_size=world_size)
        sampler.set_epoch(epoch, start_batch)
        local = local_batch_size(batch_size, world_size)
        loader = DataLoader(range(num_samples), batch_size=local, sampler=sampler, drop_last=drop_last)
        ranks.append([batch.tolist() for batch in loader])
    assert len({len(rank) for rank in ranks}) == 1
    return [set().union(*parts) for parts in zip(*ranks, strict=True)]


def test_length_is_the_share_of_one_process():
    assert len(EpochSampler(range(12), 4, seed=0, rank=1, world_size=2)) == 6


def test_every_sample_is_drawn_once_per_epoch():
    assert sorted(EpochSampler(range(10), 5, seed=0)) == list(range(10))


def test_order_depends_on_seed_and_epoch_only():
    torch.manual_seed(0)
    first = epoch_order(50, seed=1, epoch=2)
    torch.manual_seed(9)
    assert torch.equal(first, epoch_order(50, seed=1, epoch=2))
    assert not torch.equal(first, epoch_order(50, seed=1, epoch=3))
    assert not torch.equal(first, epoch_order(50, seed=2, epoch=2))


@pytest.mark.parametrize("world_size", [2, 4])
@pytest.mark.parametrize(("num_samples", "drop_last"), [(24, False), (28, False), (31, True)])
def test_processes_together_draw_the_batches_of_one(num_samples, drop_last, world_size):
    expected = batches(num_samples, 8, 1, drop_last)
    assert batches(num_samples, 8, world_size, drop_last) == expected


@pytest.mark.parametrize("world_size", [1, 2])
def test_start_batch_continues_the_same_epoch(world_size):
    assert batches(24, 8, world_size, start_batch=1) == batches(24, 8, world_size)[1:]


def test_next_epoch_starts_at_its_first_batch():
    sampler = EpochSampler(range(8), 4, seed=0)
    sampler.set_epoch(1, start_batch=1)
    assert len(list(sampler)) == 4
    sampler.set_epoch(2)
    assert len(list(sampler)) == 8


def test_without_shuffle_samples_come_in_their_own_order():
    assert list(EpochSampler(range(5), 2, seed=0, shuffle=False)) == [0, 1, 2, 3, 4]


def test_samples_that_cannot_be_shared_evenly_are_refused():
    with pytest.raises(ValueError, match=r"multiple of 2 processes, got 9 \(of 9, batch_size 4"):
        EpochSampler(range(9), 4, seed=0, rank=0, world_size=2)


def test_batch_that_cannot_be_shared_evenly_is_refused():
    with pytest.raises(ValueError, match="batch_size to be a multiple of 2 processes, got 5"):
        local_batch_size(5, world_size=2)


def test_batch_beyond_the_epoch_is_refused():
    with pytest.raises(ValueError, match=r"start_batch in 0 … 1, got 2"):
        EpochSampler(range(8), 4, seed=0).set_epoch(1, start_batch=2)
