import pytest
from ignite.engine import Events
from monai.engines import Trainer
from torch.utils.data import DataLoader, Dataset

from common.data.epoch_order import EpochSampler
from common.training.set_epoch import SetEpoch


class Numbers(Dataset):
    epoch = 0

    def set_epoch(self, epoch):
        self.epoch = epoch

    def __len__(self):
        return 8

    def __getitem__(self, index):
        return 100 * self.epoch + index


class Wrapper(Dataset):
    def __init__(self, data):
        self.data = data

    def __len__(self):
        return len(self.data)

    def __getitem__(self, index):
        return self.data[index]


def drawn(dataset, epoch_length=None, max_epochs=3, **loader_arguments):
    sampler = EpochSampler(dataset, 4, seed=0)
    loader = DataLoader(dataset, batch_size=4, sampler=sampler, **loader_arguments)
    trainer = Trainer("cpu", max_epochs, loader, epoch_length, iteration_update=lambda engine, batch: batch.tolist())
    seen = {}
    SetEpoch().attach(trainer)
    trainer.add_event_handler(
        Events.ITERATION_COMPLETED,
        lambda engine: seen.setdefault(engine.state.epoch, []).extend(engine.state.output),
    )
    trainer.run()
    return seen


@pytest.mark.parametrize("num_workers", [0, 2])
def test_samples_and_order_follow_the_epoch(num_workers):
    seen = drawn(Numbers(), num_workers=num_workers)
    for epoch in (1, 2, 3):
        sampler = EpochSampler(range(8), 4, seed=0)
        sampler.set_epoch(epoch)
        assert seen[epoch] == [100 * epoch + index for index in sampler]


def test_wrapped_data_sees_the_epoch():
    assert drawn(Wrapper(Numbers())) == drawn(Numbers())


def test_epoch_shorter_than_the_loader_begins_with_its_own_first_batch():
    whole, short = drawn(Numbers()), drawn(Numbers(), epoch_length=1)
    assert short == {epoch: values[:4] for epoch, values in whole.items()}


def test_epoch_longer_than_the_loader_is_refused():
    with pytest.raises(ValueError, match="at least 3 batches per epoch, got 2"):
        drawn(Numbers(), epoch_length=3)


def test_persistent_workers_are_refused():
    with pytest.raises(ValueError, match="persistent_workers false, got true"):
        drawn(Numbers(), num_workers=1, persistent_workers=True)
