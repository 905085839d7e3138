import os

import pytest
import torch
from ignite.engine import Engine
from ignite.handlers import DiskSaver
from torch._subclasses import FakeTensorMode

from common.training.checkpoint import AtomicCheckpointSaver, AtomicDiskSaver, MetricScore


def best_saver(folder, network, **arguments):
    return AtomicCheckpointSaver(
        str(folder),
        {"model": network},
        save_key_metric=True,
        key_metric_name="dice",
        key_metric_filename="model_best.pt",
        **arguments,
    )


def validate(saver, *values):
    engine = Engine(lambda engine, batch: None)
    for value in values:
        engine.state.metrics["dice"] = value
        saver.metrics_completed(engine)


def fail(state, stream, **arguments):
    stream.write(b"half")
    raise OSError("disk full")


def test_best_file_holds_the_state_dict_of_the_best_epoch(tmp_path):
    network = torch.nn.Linear(1, 1, bias=False)
    saver = best_saver(tmp_path, network)
    for value in (0.5, 0.9, 0.7):
        torch.nn.init.constant_(network.weight, value)
        validate(saver, value)
    assert torch.load(tmp_path / "model_best.pt", weights_only=True)["weight"].item() == pytest.approx(0.9)


def test_failed_write_leaves_the_previous_best(tmp_path, monkeypatch):
    network = torch.nn.Linear(1, 1)
    saver = best_saver(tmp_path, network)
    validate(saver, 0.5)
    before = (tmp_path / "model_best.pt").read_bytes()
    monkeypatch.setattr(torch, "save", fail)
    with pytest.raises(OSError, match="disk full"):
        validate(saver, 0.9)
    assert os.listdir(tmp_path) == ["model_best.pt"]
    assert (tmp_path / "model_best.pt").read_bytes() == before


def test_nan_never_counts_as_best(tmp_path):
    network = torch.nn.Linear(1, 1, bias=False)
    saver = best_saver(tmp_path, network)
    validate(saver, float("nan"))
    torch.nn.init.constant_(network.weight, 0.25)
    validate(saver, 0.1)
    assert torch.load(tmp_path / "model_best.pt", weights_only=True)["weight"].item() == 0.25


def test_list_of_best_scores_is_resumed(tmp_path):
    network = torch.nn.Linear(1, 1)
    first = best_saver(tmp_path, network)
    validate(first, 0.9)
    before = (tmp_path / "model_best.pt").stat().st_mtime_ns
    second = best_saver(tmp_path, network)
    second.load_state_dict(first.state_dict())
    validate(second, 0.8)
    assert (tmp_path / "model_best.pt").stat().st_mtime_ns == before


def test_file_that_was_taken_away_does_not_stop_the_training(tmp_path):
    saver = best_saver(tmp_path, torch.nn.Linear(1, 1))
    validate(saver, 0.5)
    (tmp_path / "model_best.pt").unlink()
    validate(saver, 0.9)
    assert (tmp_path / "model_best.pt").is_file()


def test_final_file_has_its_name(tmp_path):
    saver = AtomicCheckpointSaver(
        str(tmp_path), {"model": torch.nn.Linear(1, 1)}, save_final=True, final_filename="model.pt"
    )
    engine = Engine(lambda engine, batch: None)
    saver.attach(engine)
    engine.run([0])
    assert os.listdir(tmp_path) == ["model.pt"]


def test_a_run_that_ends_in_an_error_leaves_no_final_file(tmp_path):
    def fail_in_step(engine, batch):
        raise RuntimeError("stopped")

    saver = AtomicCheckpointSaver(
        str(tmp_path), {"model": torch.nn.Linear(1, 1)}, save_final=True, final_filename="model.pt"
    )
    engine = Engine(fail_in_step)
    saver.attach(engine)
    with pytest.raises(RuntimeError, match="stopped"):
        engine.run([0])
    assert os.listdir(tmp_path) == []


def test_unknown_metric_is_named():
    with pytest.raises(KeyError, match="expected a metric named 'dice'"):
        MetricScore("dice")(Engine(lambda engine, batch: None))


def test_weights_from_a_gpu_are_written_as_those_of_a_cpu(monkeypatch, tmp_path):
    written = []
    monkeypatch.setattr(DiskSaver, "__call__", lambda saver, checkpoint, *_: written.append(checkpoint))
    with FakeTensorMode():  # tensors without values, where devices count
        state = torch.nn.Linear(1, 1, device="meta").state_dict()
        AtomicDiskSaver(str(tmp_path))({"model": state, "others": [state["bias"], 3]}, "model.pt")
    (found,) = written
    assert {found["model"]["weight"].device.type, found["others"][0].device.type} == {"cpu"}
    assert found["model"]._metadata == state._metadata
    assert (found["others"][1], state["weight"].device.type) == (3, "meta")
