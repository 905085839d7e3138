import pytest
from ignite.engine import Engine, Events

from common.training.early_stop import EarlyStop


def epochs_until_stop(values, **arguments):
    trainer, evaluator = Engine(lambda engine, batch: None), Engine(lambda engine, batch: None)
    stop = EarlyStop("score", **arguments)
    stop.attach(evaluator)
    stop.set_trainer(trainer)

    @trainer.on(Events.EPOCH_COMPLETED)
    def validate(engine):
        evaluator.state.metrics["score"] = values[engine.state.epoch - 1]
        evaluator.run([0])

    trainer.run([0], max_epochs=len(values))
    return trainer.state.epoch


def test_growing_score_never_stops():
    assert epochs_until_stop([0.1, 0.2, 0.3, 0.4], patience=1) == 4


def test_stops_after_patience_without_improvement():
    assert epochs_until_stop([0.5, 0.4, 0.4, 0.4, 0.4], patience=2) == 3


def test_error_is_better_when_smaller():
    assert epochs_until_stop([0.5, 0.4, 0.3, 0.3, 0.3], patience=1, smaller_is_better=True) == 4


def test_slow_progress_adds_up_to_an_improvement():
    assert epochs_until_stop([0.0, 0.06, 0.12, 0.18, 0.24], patience=2, min_delta=0.1) == 5


def test_change_below_min_delta_is_no_improvement():
    assert epochs_until_stop([0.5, 0.51, 0.52, 0.53], patience=2, min_delta=0.1) == 3


def test_nan_is_no_improvement():
    assert epochs_until_stop([0.5, float("nan"), float("nan"), 0.9], patience=2) == 3


def test_number_after_nan_is_an_improvement():
    assert epochs_until_stop([float("nan"), 0.1, 0.2, 0.3], patience=1) == 4


def test_unknown_metric_is_named():
    stop = EarlyStop("dice", patience=1)
    stop.set_trainer(Engine(lambda engine, batch: None))
    with pytest.raises(KeyError, match=r"expected a metric named 'dice', the engine has \[\]"):
        stop(Engine(lambda engine, batch: None))


def test_missing_trainer_is_reported():
    with pytest.raises(RuntimeError, match="expected set_trainer"):
        EarlyStop("dice", patience=1).state_dict()
