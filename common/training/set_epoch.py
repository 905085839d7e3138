"""Tells the data which epoch, and which batch of it, comes next."""

from typing import Any

from ignite.engine import Engine, Events


class SetEpoch:
    """Calls ``set_epoch`` of the data set and of the sampler before the batches of an epoch are drawn.

    With samples drawn from (seed, epoch, index) and an :class:`~common.data.epoch_order.EpochSampler`, a trainer
    restored in the middle of an epoch goes on with the next batch of that epoch. The data set, and what it
    wraps as ``data`` or ``dataset``, may have ``set_epoch(epoch)``; the sampler may have
    ``set_epoch(epoch, start_batch)``.

    Raises:
        ValueError: at the start of an epoch, if the loader keeps its workers alive (they would stay in the
            epoch in which they were started), if it is shorter than the epoch, or if the run continues within
            an epoch and the sampler cannot start there.

    Example:
        >>> from monai.engines import Trainer
        >>> from torch.utils.data import DataLoader
        >>> from common.data.epoch_order import EpochSampler
        >>> sampler = EpochSampler(range(4), batch_size=2, seed=0)
        >>> loader = DataLoader(range(4), batch_size=2, sampler=sampler)
        >>> trainer = Trainer("cpu", 3, loader, iteration_update=lambda engine, batch: None)
        >>> SetEpoch().attach(trainer)
        >>> trainer.run()
        >>> sampler.epoch
        3
    """

    def __init__(self) -> None:
        self._first_epoch = True

    def attach(self, engine: Engine) -> None:
        """Register with a MONAI trainer.

        Args:
            engine: engine with a ``data_loader``.
        """
        engine.add_event_handler(Events.STARTED, self.started)
        engine.add_event_handler(Events.EPOCH_STARTED, self.epoch_started)

    def started(self, engine: Engine) -> None:
        """Note that ignite opens the loader of the first epoch itself."""
        self._first_epoch = True

    def epoch_started(self, engine: Engine) -> None:
        """Set the epoch and open the loader anew, so that every epoch begins with its own first batch."""
        loader, epoch, length = engine.data_loader, engine.state.epoch, engine.state.epoch_length
        _check_loader(loader, length)
        for data in _nested(loader.dataset):
            if hasattr(data, "set_epoch"):
                data.set_epoch(epoch)
        _set_sampler(loader.sampler, epoch, engine.state.iteration % length)
        if not self._first_epoch:
            engine.set_data(loader)
        self._first_epoch = False


def _check_loader(loader: Any, epoch_length: int) -> None:
    if loader.persistent_workers:
        raise ValueError("expected persistent_workers false, got true: such workers never see another epoch")
    if epoch_length > len(loader):
        raise ValueError(f"expected a loader of at least {epoch_length} batches per epoch, got {len(loader)}")


def _nested(dataset: Any) -> list[Any]:
    """The data set, followed by what it wraps."""
    found = [dataset]
    for name in ("dataset", "data"):
        inner = getattr(dataset, name, None)
        if inner is not None and not isinstance(inner, list | tuple | dict):
            found += _nested(inner)
    return found


def _set_sampler(sampler: Any, epoch: int, start_batch: int) -> None:
    if start_batch == 0:
        if hasattr(sampler, "set_epoch"):
            sampler.set_epoch(epoch)
        return
    if not hasattr(sampler, "start_batch"):
        raise ValueError(
            f"expected an EpochSampler to continue at batch {start_batch} of epoch {epoch}, "
            f"got {type(sampler).__name__}"
        )
    sampler.set_epoch(epoch, start_batch)
