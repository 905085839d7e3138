import random

import numpy as np
import pytest
import torch
from ignite.engine import Engine, Events
from monai.engines import SupervisedTrainer
from torch.utils.data import DataLoader, Dataset

from common.data.epoch_order import EpochSampler
from common.randomness import sample_generator
from common.training.early_stop import EarlyStop
from common.training.resume import TrainingCheckpoint, find_checkpoint, random_state, set_random_state
from common.training.set_epoch import SetEpoch


class Samples(Dataset):
    """Six samples per epoch, each drawn from (seed, epoch, index)."""

    epoch = 0

    def set_epoch(self, epoch):
        self.epoch = epoch

    def __len__(self):
        return 6

    def __getitem__(self, index):
        image = torch.randn(3, generator=sample_generator(0, self.epoch, index))
        return {"image": image, "label": image.sum(0, keepdim=True)}


class Noise:
    """A loss that draws from its own generator, as a random projection would."""

    def __init__(self, generator):
        self.generator = generator

    def __call__(self, pred, label):
        return (pred - label + 0.1 * torch.randn(pred.shape, generator=self.generator).to(pred)).square().mean()


def build(folder, max_epochs=4, resume=False, num_workers=0, stop_at=None, settings=None, device="cpu", **intervals):
    torch.manual_seed(1)
    network = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Dropout(0.5), torch.nn.Linear(8, 1))
    network.to(device)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.7)
    generator = torch.Generator().manual_seed(2)
    objects = {"network": network, "steps": {"optimizer": optimizer, "scheduler": scheduler}}
    objects["generator"] = generator
    checkpoint = TrainingCheckpoint(folder, objects, resume, settings, **intervals)
    dataset = Samples()
    trainer = SupervisedTrainer(
        device=device,
        max_epochs=max_epochs,
        train_data_loader=DataLoader(
            dataset, batch_size=2, sampler=EpochSampler(dataset, 2, seed=0), num_workers=num_workers
        ),
        network=network,
        optimizer=optimizer,
        loss_function=Noise(generator),
        train_handlers=[checkpoint, SetEpoch()],
        decollate=False,
    )
    trainer.losses = []
    trainer.add_event_handler(
        Events.ITERATION_COMPLETED, lambda engine: engine.losses.append(engine.state.output["loss"].item())
    )
    trainer.add_event_handler(Events.EPOCH_COMPLETED, lambda engine: scheduler.step())
    if stop_at is not None:
        trainer.add_event_handler(Events.ITERATION_STARTED(once=stop_at), interrupt)
    return trainer, network


def interrupt(engine):
    raise KeyboardInterrupt


def run_interrupted(folder, stop_at, **arguments):
    trainer, _ = build(folder, stop_at=stop_at, **arguments)
    with pytest.raises(KeyboardInterrupt):
        trainer.run()
    return trainer.losses


@pytest.mark.parametrize("num_workers", [0, 1])
@pytest.mark.parametrize(
    ("stop_at", "iteration_interval", "continued_at"),
    [(8, 0, 6), (9, 1, 8), (8, 2, 6), (6, 2, 4), (7, 1, 6), (2, 0, 0)],
)
def test_stopped_and_resumed_training_equals_uninterrupted_training(
    tmp_path, stop_at, iteration_interval, continued_at, num_workers
):
    whole, network = build(tmp_path / "whole", num_workers=num_workers)
    whole.run()
    intervals = {"iteration_interval": iteration_interval, "num_workers": num_workers}
    first = run_interrupted(tmp_path / "parts", stop_at, **intervals)
    torch.manual_seed(99)
    second, resumed = build(tmp_path / "parts", resume=True, **intervals)
    second.run()
    assert first[:continued_at] + second.losses == whole.losses
    assert all(map(torch.equal, network.parameters(), resumed.parameters()))


def test_resumed_training_may_be_longer_than_planned(tmp_path):
    whole, _ = build(tmp_path / "whole", max_epochs=4)
    whole.run()
    build(tmp_path / "parts", max_epochs=2)[0].run()
    second, _ = build(tmp_path / "parts", max_epochs=4, resume=True)
    second.run()
    assert second.losses == whole.losses[6:]


def test_resuming_a_finished_training_trains_no_more(tmp_path):
    build(tmp_path)[0].run()
    second, _ = build(tmp_path, resume=True)
    second.run()
    assert second.losses == []
    assert second.state.epoch == 4


def test_last_epoch_is_saved_although_the_interval_does_not_hit_it(tmp_path):
    build(tmp_path, max_epochs=3, epoch_interval=2)[0].run()
    second, _ = build(tmp_path, max_epochs=3, resume=True, epoch_interval=2)
    second.run()
    assert second.losses == []


def test_two_runs_with_one_seed_have_identical_losses(tmp_path):
    first, _ = build(tmp_path / "first")
    first.run()
    second, _ = build(tmp_path / "second")
    second.run()
    assert first.losses == second.losses


def test_random_state_covers_torch_numpy_and_python():
    state = random_state()
    first = (torch.rand(1).item(), np.random.rand(), random.random())
    set_random_state(state)
    assert (torch.rand(1).item(), np.random.rand(), random.random()) == first


def test_newest_of_several_checkpoints_is_found(tmp_path):
    build(tmp_path / "a", max_epochs=1)[0].run()
    build(tmp_path / "b", max_epochs=1)[0].run()
    assert find_checkpoint(tmp_path).parent.name == "b"


def test_failed_write_leaves_the_old_checkpoint(tmp_path, monkeypatch):
    build(tmp_path, max_epochs=1)[0].run()
    before = find_checkpoint(tmp_path).read_bytes()
    monkeypatch.setattr(torch, "save", interrupt_write)
    with pytest.raises(KeyboardInterrupt):
        build(tmp_path, max_epochs=2, resume=True)[0].run()
    assert find_checkpoint(tmp_path).read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["training.pt"]


def interrupt_write(state, stream):
    stream.write(b"half of a file")
    raise KeyboardInterrupt


@pytest.mark.parametrize("patience_left", [0, 1])
def test_early_stopping_is_exact_on_resume(tmp_path, patience_left):
    trainer = stopping_trainer(tmp_path, patience=1, max_epochs=3 - patience_left)
    trainer.run()
    second = stopping_trainer(tmp_path, patience=1, max_epochs=9, resume=True)
    second.run()
    assert second.state.epoch == 3


def stopping_trainer(folder, patience, max_epochs, resume=False):
    """The validation loss is 1, 0.5, then 0.6 for ever: patience 1 stops after epoch 3."""
    losses = {1: 1.0, 2: 0.5}
    evaluator = Engine(lambda engine, batch: None)
    stop = EarlyStop("loss", patience, smaller_is_better=True)
    evaluator.add_event_handler(Events.EPOCH_COMPLETED, stop)
    trainer, _ = build(folder, max_epochs=max_epochs)
    stop.set_trainer(trainer)
    checkpoint = TrainingCheckpoint(folder, {"stop": stop}, resume)
    for event in (Events.STARTED, Events.GET_BATCH_STARTED):
        trainer._event_handlers[event].clear()
    checkpoint.attach(trainer)

    @trainer.on(Events.EPOCH_COMPLETED)
    def validate(engine):
        evaluator.state.metrics["loss"] = losses.get(engine.state.epoch, 0.6)
        evaluator.run([0])

    return trainer


def test_best_metric_of_the_evaluator_is_restored(tmp_path):
    evaluator = Engine(lambda engine, batch: None)
    evaluator.state.best_metric, evaluator.state.best_metric_epoch = np.float64(0.75), 3
    network = torch.nn.Linear(1, 1)
    saver = TrainingCheckpoint(tmp_path, {"network": network}, evaluator=evaluator)
    engine = Engine(lambda engine, batch: None)
    saver.attach(engine)
    engine.run([0], max_epochs=1)
    evaluator.state.best_metric = -1
    TrainingCheckpoint(tmp_path, {"network": network}, evaluator=evaluator).load(engine)
    assert (evaluator.state.best_metric, evaluator.state.best_metric_epoch) == (0.75, 3)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize(("first", "second"), [("cpu", "cuda"), ("cuda", "cpu"), ("cuda", "cuda")])
def test_training_continues_on_another_device(tmp_path, first, second):
    build(tmp_path, max_epochs=2, device=first)[0].run()
    trainer, network = build(tmp_path, max_epochs=3, resume=True, device=second)
    trainer.run()
    assert trainer.state.iteration == 9
    assert next(network.parameters()).device.type == second


def test_resume_without_a_checkpoint_says_so(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"expected a checkpoint training.pt in .* resume false"):
        build(tmp_path, resume=True)[0].run()


def test_resume_with_other_settings_names_them(tmp_path):
    build(tmp_path, settings={"seed": 0, "rate": 0.1})[0].run()
    with pytest.raises(ValueError, match=r"other settings: rate: expected 0.1, got 0.2$"):
        build(tmp_path, resume=True, settings={"seed": 0, "rate": 0.2})[0].run()


def test_resume_with_fewer_epochs_than_done_says_so(tmp_path):
    build(tmp_path, max_epochs=3)[0].run()
    with pytest.raises(ValueError, match=r"expected max_epochs ≥ 3, .* got 2"):
        build(tmp_path, max_epochs=2, resume=True)[0].run()


def test_truncated_checkpoint_is_refused(tmp_path):
    build(tmp_path)[0].run()
    path = find_checkpoint(tmp_path)
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(ValueError, match="expected a readable training checkpoint"):
        build(tmp_path, resume=True)[0].run()


def test_resume_within_an_epoch_needs_a_sampler_that_can_start_there(tmp_path):
    run_interrupted(tmp_path, 9, iteration_interval=1)
    trainer, _ = build(tmp_path, resume=True)
    trainer.data_loader = DataLoader(Samples(), batch_size=2)
    with pytest.raises(ValueError, match="expected an EpochSampler to continue at batch 2 of epoch 3"):
        trainer.run()


def test_object_without_state_is_refused(tmp_path):
    with pytest.raises(TypeError, match=r"save_dict\['rate'\] .* got float"):
        TrainingCheckpoint(tmp_path, {"rate": 0.1})
