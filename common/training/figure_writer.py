"""Writes pictures of a running engine to TensorBoard."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from ignite.engine import Engine, Events
from torch.utils.tensorboard import SummaryWriter

from ..distributed import process_rank
from .figure_labels import labeled
from .figures import confusion_figure, registration_figure

CONFUSION_CAPTIONS = (
    "tile: true displacement, voxels, 1st axis",
    "down, 2nd axis across; in each tile: chosen",
    "displacement, white: all pairs; green: right",
)


class RegistrationFigure:
    """Picture of the first sample of the last batch, see :func:`~common.training.figures.registration_figure`.

    Each tensor is looked up in the engine's output, then in its batch; both may be a dictionary of batches or
    the list of dictionaries MONAI makes of it.

    Args:
        fixed: key of the fixed image.
        moving: key of the moving image.
        warped: key of the warped image.
        ddf: key of the displacement field, voxels.

    Raises:
        KeyError: when called, if a key is in neither.
    """

    def __init__(self, fixed: str = "fixed", moving: str = "moving", warped: str = "warped", ddf: str = "ddf") -> None:
        self.keys = {"fixed": fixed, "moving": moving, "warped": warped, "ddf": ddf}

    def __call__(self, engine: Engine) -> torch.Tensor:
        """Picture (3, H, W)."""
        sources = [_first_sample(source) for source in (engine.state.output, engine.state.batch)]
        return registration_figure(**{name: _find(key, sources) for name, key in self.keys.items()})


class ConfusionFigure:
    """Picture of a confusion matrix among the engine's metrics, see
    :func:`~common.training.figures.confusion_figure`.

    Args:
        metric: name of the metric, value (K, K).
        grid_shape: (rows, columns) of the displacements that the classes stand for; None shows the matrix.
        offsets: displacements along each axis of the grid, voxels, written at its edges; None leaves them out, as does
            a matrix.

    Raises:
        KeyError: when called, if there is no such metric.
    """

    def __init__(
        self,
        metric: str = "confusion",
        grid_shape: Sequence[int] | None = None,
        offsets: Sequence[int] | None = None,
    ) -> None:
        self.metric = metric
        self.grid_shape = grid_shape
        self.offsets = offsets

    def __call__(self, engine: Engine) -> torch.Tensor:
        """Picture (3, H, W)."""
        picture = confusion_figure(_find(self.metric, [engine.state.metrics]), self.grid_shape)
        if self.grid_shape is None or self.offsets is None:
            return picture
        names = list(map(str, self.offsets))
        return labeled(picture, names, names, CONFUSION_CAPTIONS)


class FigureWriter:
    """Writes a picture to TensorBoard after every ``interval``-th epoch of an engine.

    The step is the engine's epoch; MONAI gives a validation the epoch of the training. The event file is
    created with the first picture, and only by process 0.

    Args:
        figure: function of the engine that returns a picture (3, H, W) or (1, H, W) in [0, 1].
        log_dir: folder of the event files.
        tag: name of the picture in TensorBoard.
        interval: number of epochs between two pictures, ≥ 1.
    """

    def __init__(
        self, figure: Callable[[Engine], torch.Tensor], log_dir: str, tag: str = "registration", interval: int = 1
    ) -> None:
        if interval < 1:
            raise ValueError(f"expected interval ≥ 1, got {interval}")
        self.figure = figure
        self.log_dir = log_dir
        self.tag = tag
        self.interval = interval
        self._writer: SummaryWriter | None = None

    def attach(self, engine: Engine) -> None:
        """Register with an engine.

        Args:
            engine: trainer or evaluator.
        """
        engine.add_event_handler(Events.EPOCH_COMPLETED(event_filter=self._is_due), self)

    def __call__(self, engine: Engine) -> None:
        """Write the picture."""
        if process_rank() > 0:
            return
        picture = self.figure(engine)
        if self._writer is None:
            self._writer = SummaryWriter(self.log_dir)
        self._writer.add_image(self.tag, picture, engine.state.epoch)
        self._writer.flush()

    def _is_due(self, engine: Engine, epoch: int) -> bool:
        return epoch % self.interval == 0


def _first_sample(source: Any) -> Mapping[str, Any]:
    """First element of every batch in a dictionary, or the first dictionary of a list."""
    if isinstance(source, list | tuple) and source and isinstance(source[0], Mapping):
        return source[0]
    if not isinstance(source, Mapping):
        return {}
    return {str(key): value[0] for key, value in source.items() if isinstance(value, torch.Tensor) and value.ndim}


def _find(key: str, sources: Sequence[Mapping[str, Any]]) -> Any:
    for source in sources:
        if key in source:
            return source[key]
    names = sorted({str(name) for source in sources for name in source})
    raise KeyError(f"expected the engine to hold {key!r}, it holds {names}")
