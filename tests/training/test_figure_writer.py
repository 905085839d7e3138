import pytest
import torch
from ignite.engine import Engine, Events
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from common.training.figure_writer import ConfusionFigure, FigureWriter, RegistrationFigure


def pictures(folder, tag):
    events = EventAccumulator(str(folder), size_guidance={"images": 0})
    events.Reload()
    return [(event.step, event.height, event.width) for event in events.Images(tag)]


def registering(output):
    batch = {"fixed": torch.rand(2, 1, 16, 16), "moving": torch.rand(2, 1, 16, 16)}
    engine = Engine(lambda engine, data: output)
    engine.add_event_handler(Events.ITERATION_STARTED, lambda engine: setattr(engine.state, "batch", batch))
    return engine


def test_registration_is_written_every_interval(tmp_path):
    output = {"warped": torch.rand(2, 1, 16, 16), "ddf": torch.zeros(2, 2, 16, 16)}
    engine = registering(output)
    FigureWriter(RegistrationFigure(), str(tmp_path / "log"), interval=2).attach(engine)
    engine.run([0], max_epochs=5)
    assert pictures(tmp_path / "log", "registration") == [(2, 16, 106), (4, 16, 106)]


def test_decollated_output_is_understood(tmp_path):
    engine = registering([{"warped": torch.rand(1, 16, 16), "ddf": torch.zeros(2, 16, 16)}])
    FigureWriter(RegistrationFigure(), str(tmp_path)).attach(engine)
    engine.run([0])
    assert pictures(tmp_path, "registration") == [(1, 16, 106)]


def test_confusion_is_written(tmp_path):
    engine = Engine(lambda engine, batch: None)
    engine.state.metrics["confusion"] = torch.eye(25)
    FigureWriter(ConfusionFigure(grid_shape=(5, 5)), str(tmp_path), "confusion").attach(engine)
    engine.run([0])
    assert pictures(tmp_path, "confusion") == [(1, 208, 208)]


def test_nothing_is_created_before_the_first_picture(tmp_path):
    FigureWriter(ConfusionFigure(), str(tmp_path / "log"))
    assert not (tmp_path / "log").exists()


def test_missing_tensor_is_named():
    engine = registering({"pred": torch.zeros(2, 2, 16, 16)})
    FigureWriter(RegistrationFigure(), "unused").attach(engine)
    with pytest.raises(KeyError, match=r"expected the engine to hold 'warped', it holds \['fixed', .*'pred'\]"):
        engine.run([0])


def test_interval_below_1_is_refused():
    with pytest.raises(ValueError, match="expected interval ≥ 1, got 0"):
        FigureWriter(ConfusionFigure(), "unused", interval=0)


def test_offsets_are_written_at_the_edges_of_the_confusion(tmp_path):
    engine = Engine(lambda engine, batch: None)
    engine.state.metrics["confusion"] = torch.eye(25)
    bare, named = (ConfusionFigure(grid_shape=(5, 5), offsets=offsets)(engine) for offsets in (None, [-2, -1, 0, 1, 2]))
    height, width = bare.shape[1:]
    assert torch.allclose(named[:, 34 : 34 + height, 34 : 34 + width], bare, atol=1 / 255)
    for k in range(5):
        row = named[:, 34 + k * height // 5 : 34 + (k + 1) * height // 5, :34]
        column = named[:, :34, 34 + k * width // 5 : 34 + (k + 1) * width // 5]
        assert row.min() < 0.5  # ink
        assert column.min() < 0.5
    assert named[:, 34 + height :].min() < 0.5  # the captions
