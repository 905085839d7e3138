import io
import time

import pytest
import torch
from ignite.engine import Engine, Events

from common.training.progress_bar import ProgressBar, loss_terms


class Terminal(io.StringIO):
    def isatty(self):
        return True


def show(file, iterations=20, max_epochs=2, pause=0.0, validate_every=2, start=0, **arguments):
    """Output of a training whose loss is the number of the iteration."""

    def step(engine, batch):
        time.sleep(pause)
        return [{"loss": torch.tensor(float(engine.state.iteration)), "image": torch.zeros(3), "extra": 0.5}]

    trainer, evaluator = Engine(step), Engine(lambda engine, batch: None)
    evaluator.add_event_handler(Events.EPOCH_COMPLETED, lambda engine: engine.state.metrics.update(dice=0.875))
    ProgressBar(evaluator=evaluator, file=file, **arguments).attach(trainer)
    trainer.add_event_handler(Events.EPOCH_COMPLETED(every=validate_every), lambda engine: evaluator.run([0]))
    if start:
        trainer.load_state_dict({"iteration": start, "epoch_length": iterations, "max_epochs": max_epochs})
    trainer.run(range(iterations), max_epochs=max_epochs)
    return file.getvalue()


def test_log_gets_one_line_per_epoch_and_one_per_validation():
    lines = show(io.StringIO(), interval=60).splitlines()
    # means of 1 … 20 and of 21 … 40
    assert [line.split(":")[0] for line in lines] == ["epoch 1/2", "epoch 2/2", "epoch 2/2 validation"]
    assert "20/20" in lines[0]
    assert "loss=10.5" in lines[0]
    assert "loss=30.5" in lines[1]
    assert "it/s" in lines[1]
    assert lines[2].endswith("dice=0.875")


def test_log_lines_come_at_a_bounded_rate():
    text = show(io.StringIO(), max_epochs=1, pause=0.02, interval=0.1)
    # 20 · 0.02 s at one line per 0.1 s: some 4 lines and the last, far from the 20 of every iteration
    assert 3 <= len(text.splitlines()) <= 8
    assert "\r" not in text


def test_terminal_gets_a_bar_that_is_redrawn():
    text = show(Terminal(), max_epochs=1, pause=0.02)
    assert text.count("\r") > 2
    assert text.count("\n") == 1
    assert "20/20" in text


def test_named_terms_are_shown():
    assert "extra=0.5" in show(io.StringIO(), terms=["extra"])


def test_all_scalars_are_shown():
    text = show(io.StringIO(), terms="all")
    assert "loss=10.5, extra=0.5" in text
    assert "image" not in text


def test_the_mean_of_a_term_is_over_the_iterations_that_have_it():
    file = io.StringIO()
    late = Engine(lambda engine, batch: {"loss": 1.0} | ({"adapted": 3.0} if batch > 1 else {}))
    ProgressBar(file=file, terms="all").attach(late)
    late.run(range(4), max_epochs=1)
    assert "loss=1, adapted=3" in file.getvalue()


def test_another_text_in_place_of_terms_is_refused():
    with pytest.raises(ValueError, match="terms: expected a list of keys, 'all' or None, got 'every'"):
        loss_terms({"loss": 1.0}, "every")


def test_resumed_epoch_starts_where_it_was_left():
    text = show(io.StringIO(), max_epochs=1, start=12, validate_every=1)
    # mean of 13 … 20
    assert "20/20" in text
    assert "loss=16.5" in text


def test_label_replaces_the_epoch():
    assert show(io.StringIO(), max_epochs=1, label="register").startswith("register: 100%")


@pytest.mark.parametrize("output", [None, torch.zeros(2), [torch.zeros(2)], {"pred": torch.zeros(2)}])
def test_output_without_loss_shows_none(output):
    assert loss_terms(output) == {}


def test_terms_are_detached():
    loss = torch.ones(1, requires_grad=True)
    assert not loss_terms({"loss": loss})["loss"].requires_grad


def test_missing_term_is_named():
    with pytest.raises(KeyError, match=r"to hold \['kl'\], it holds \['loss'\]"):
        loss_terms({"loss": 1.0}, ["kl"])
