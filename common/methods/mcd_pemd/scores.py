"""Scores of a displacement classifier over labeled patch pairs, per direction of the two contrasts."""

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from ignite.engine import Engine, Events
from ignite.metrics import Metric

from ...distributed import process_rank
from ...files import write_atomically
from ...training.records import scores_table
from ...training.score_summary import score_summary
from .domains import DIRECTIONS
from .patches import OFFSETS, class_offsets

NUM_CLASSES_2D = len(OFFSETS) ** 2


def accuracy(logits: torch.Tensor, label: torch.Tensor) -> float:
    """Share of pairs whose largest logit (N, C) is the label's (N,), in [0, 1].

    Example:
        >>> accuracy(torch.eye(4), torch.tensor([0, 1, 2, 0]))
        0.75
    """
    return (logits.argmax(dim=1) == label).double().mean().item()


def displacement_error_voxels(logits: torch.Tensor, label: torch.Tensor) -> float:
    """Mean distance between the offset of the most probable of 25 or 125 classes and the true one, in voxels.

    Example:
        >>> displacement_error_voxels(torch.eye(25)[:1], torch.tensor([1]))
        19.0
    """
    offsets = class_offsets(2 if logits.shape[1] == NUM_CLASSES_2D else 3).to(logits)
    return (offsets[logits.argmax(dim=1)] - offsets[label]).norm(dim=1).mean().item()


def initial_displacement_error_voxels(logits: torch.Tensor, label: torch.Tensor) -> float:
    """The same of patches that are left where they are: the mean length of the true offset, in voxels.

    Example:
        >>> initial_displacement_error_voxels(torch.eye(25)[:1], torch.tensor([7]))
        19.0
    """
    offsets = class_offsets(2 if logits.shape[1] == NUM_CLASSES_2D else 3).to(logits)
    return offsets[label].norm(dim=1).mean().item()


def prediction_entropy(logits: torch.Tensor, label: torch.Tensor) -> float:
    """Mean entropy of the class probabilities in nats, between 0 and log C; the labels play no part."""
    return torch.distributions.Categorical(logits=logits).entropy().mean().item()


def confusion(logits: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
    """Counts of true class (row) and most probable class (column): (C, C).

    Example:
        >>> confusion(torch.eye(2), torch.tensor([0, 0])).tolist()
        [[1.0, 1.0], [0.0, 0.0]]
    """
    num_classes = logits.shape[1]
    pairs = num_classes * label + logits.argmax(dim=1)
    return torch.bincount(pairs, minlength=num_classes**2).reshape(num_classes, num_classes).double()


SCORES: dict[str, Callable[[torch.Tensor, torch.Tensor], float | torch.Tensor]] = {
    "accuracy": accuracy,
    "displacement_error_voxels": displacement_error_voxels,
    "initial_displacement_error_voxels": initial_displacement_error_voxels,
    "prediction_entropy": prediction_entropy,
    "confusion": confusion,
}


class DirectionScore(Metric):
    """Ignite metric over the pairs of some directions of :class:`~.domains.DirectionPairs`.

    Args:
        score: name in :data:`SCORES`.
        directions: names in :data:`~.domains.DIRECTIONS`; the metric is the mean of their scores.

    Raises:
        ValueError: for an unknown name.
    """

    def __init__(self, score: str, directions: Sequence[str]) -> None:
        unknown = [name for name in directions if name not in DIRECTIONS] or [score] * (score not in SCORES)
        if unknown:
            raise ValueError(f"expected a score of {list(SCORES)} and directions of {list(DIRECTIONS)}, got {unknown}")
        self.score = SCORES[score]
        self.numbers = [list(DIRECTIONS).index(name) for name in directions]
        super().__init__()

    def reset(self) -> None:
        """Forget all pairs."""
        self._batches: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = []

    def iteration_completed(self, engine: Engine) -> None:
        """Take a batch: logits and labels from the evaluator's output, directions from its batch."""
        output, batch = engine.state.output, engine.state.batch
        self._batches.append((output["pred"].cpu(), output["label"].cpu(), batch["direction"].cpu()))

    def update(self, output) -> None:
        """Unused: batches come through :meth:`iteration_completed`."""

    def compute(self) -> float | torch.Tensor:
        """Mean score of the directions."""
        logits, label, direction = (torch.cat(part) for part in zip(*self._batches, strict=True))
        scores = [self.score(logits[direction == number], label[direction == number]) for number in self.numbers]
        return sum(scores) / len(scores)


class DirectionTable:
    """Writes ``scores.csv`` and prints its rows: the scores of each direction, and their mean as the last.

    Args:
        output_dir: folder of the run.
    """

    NAMES = ("displacement_error_voxels", "initial_displacement_error_voxels", "accuracy")

    def __init__(self, output_dir: str) -> None:
        self.path = Path(output_dir) / "scores.csv"
        self.scores = {way: {name: DirectionScore(name, [way]) for name in self.NAMES} for way in DIRECTIONS}

    def attach(self, engine: Engine) -> None:
        """Register with an evaluator."""
        for scores in self.scores.values():
            for score in scores.values():
                engine.add_event_handler(Events.STARTED, lambda engine, score=score: score.reset())
                engine.add_event_handler(Events.ITERATION_COMPLETED, score.iteration_completed)
        engine.add_event_handler(Events.COMPLETED, self.completed)

    def completed(self, engine: Engine) -> None:
        """Write the file."""
        rows = [
            {"name": way, **{name: score.compute() for name, score in scores.items()}}
            for way, scores in self.scores.items()
        ]
        if process_rank() == 0:
            text = f"{scores_table(rows)}\n"
            write_atomically(self.path, lambda stream: stream.write(text.encode()))
            print("", *score_summary(rows), sep="\n", flush=True)
