import json

from ignite.engine import Engine

from common.handlers.convergence import Convergence


def validate(folder, epoch, **metrics):
    engine = Engine(lambda engine, batch: None)
    Convergence(str(folder)).attach(engine)
    engine.state.metrics.update(metrics)
    engine.state.epoch, engine.state.max_epochs = epoch - 1, epoch  # as MONAI's Evaluator.run(epoch) does
    engine.state.epoch_length = 1
    engine.run([0], max_epochs=epoch)
    return json.loads((folder / "convergence.json").read_text())


def test_every_validation_adds_its_epoch(tmp_path):
    validate(tmp_path, 2, loss=0.5, dice=0.25)
    rows = validate(tmp_path, 4, loss=0.25, dice=0.5)
    assert rows == [{"epoch": 2, "loss": 0.5, "dice": 0.25}, {"epoch": 4, "loss": 0.25, "dice": 0.5}]


def test_an_epoch_done_again_replaces_what_came_after_it(tmp_path):
    for epoch in (1, 2, 3):
        validate(tmp_path, epoch, loss=float(epoch))
    assert validate(tmp_path, 2, loss=9.0) == [{"epoch": 1, "loss": 1.0}, {"epoch": 2, "loss": 9.0}]


def test_only_numbers_are_kept(tmp_path):
    assert validate(tmp_path, 1, loss=float("nan"), confusion=[[1]]) == [{"epoch": 1, "loss": None}]
