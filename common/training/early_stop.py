"""Early stopping on a named validation metric, exact on resume."""

from collections.abc import Mapping
from typing import Any

from ignite.engine import Engine
from ignite.handlers import EarlyStopping
from monai.handlers import EarlyStopHandler

from .checkpoint import FiniteScore, MetricScore


class EarlyStop(EarlyStopHandler):
    """Stops the trainer when a metric of the validation has not improved for a while.

    A metric that is not a number counts as no improvement. The trainer cannot be named inside its own
    handlers, therefore ``initialize`` of the config calls ``set_trainer``. To resume exactly, give this
    handler to :class:`~common.training.resume.TrainingCheckpoint` in ``save_dict``; a run that had stopped
    then stops again at once.

    Args:
        metric: name in ``engine.state.metrics`` of the evaluator.
        patience: number of validations without improvement after which to stop, ≥ 1.
        min_delta: smallest change, in units of the metric, that counts as an improvement, ≥ 0. Changes are
            measured from the best value, so slow progress adds up.
        smaller_is_better: whether the metric is an error.

    Raises:
        RuntimeError: at the first validation, if no trainer has been set.
        KeyError: at the first validation, if the evaluator has no such metric.

    Example:
        >>> from ignite.engine import Engine
        >>> stop = EarlyStop("loss", patience=3, smaller_is_better=True)
        >>> stop.set_trainer(Engine(lambda engine, batch: None))
        >>> stop.state_dict()["counter"]
        0
    """

    def __init__(self, metric: str, patience: int, min_delta: float = 0.0, smaller_is_better: bool = False) -> None:
        score = FiniteScore(MetricScore(metric, smaller_is_better))
        super().__init__(patience=patience, score_function=score, min_delta=min_delta, cumulative_delta=True)

    def set_trainer(self, trainer: Engine) -> None:
        """Name the trainer to stop.

        Args:
            trainer: the training engine.
        """
        self._handler = EarlyStopping(
            patience=self.patience,
            score_function=self.score_function,
            trainer=trainer,
            threshold=self.min_delta,
            cumulative=self.cumulative_delta,
        )

    def state_dict(self) -> dict[str, Any]:
        """Best value and number of validations since."""
        return dict(self._started().state_dict())

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over best value and counter; stop the trainer where patience had run out.

        Args:
            state_dict: what :meth:`state_dict` returned.
        """
        handler = self._started()
        handler.load_state_dict(state_dict)
        if handler.counter >= handler.patience:
            handler.trainer.terminate()

    def _started(self) -> EarlyStopping:
        if self._handler is None:
            raise RuntimeError("expected set_trainer(trainer) in initialize of the config, got no trainer")
        return self._handler
