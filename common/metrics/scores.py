"""Scores of a registered pair as a post-processing transform, and their means as Ignite metrics."""

import math
from collections.abc import Callable, Hashable, Mapping
from typing import Any

import torch
from ignite.engine import Engine
from ignite.metrics import Metric
from monai.data import MetaTensor
from monai.transforms import Transform

from ..fields.ddf import warp
from ..transforms.centered_region import ALIGNMENT_KEY, AddAlignmentd
from ..transforms.network_grid import NATIVE_SUFFIX
from ..world.grid import Grid, on_grid
from ..world.resample import field_mm_to_ddf, warp_moving
from .overlap import label_of, one_hot_label, overlap_scores
from .regularity import regularity_scores

SCORES_KEY = "scores"
BEFORE = ("dice", "hd95_mm")  # that an evaluation also takes before the registration, as ``initial_dice``, …


class ScoreOnNetworkGridd(Transform):
    """Score a pair on the network's grid: :func:`~.overlap.overlap_scores`, :func:`~.regularity.regularity_scores`.

    The moving label is warped as one channel per class with linear interpolation. Items without labels get no overlap.

    Args:
        num_structures: labels 1 to this number are scored.
        loss: called with ddf (1, 3, *spatial) and image (1, 2, *spatial); gives the score ``loss``.
        ddf_key: (3, X, Y, Z), voxels.
        initial: also score the pair before its registration, as ``initial_dice`` and ``initial_hd95_mm``.

    Example:
        >>> label = MetaTensor(torch.zeros(1, 8, 8, 8), affine=torch.eye(4))
        >>> label[0, 2:5, 2:5, 2:5] = 1
        >>> item = {"pred": torch.zeros(3, 8, 8, 8), "fixed_label": label, "moving_label": label}
        >>> ScoreOnNetworkGridd(1)(item)["scores"]["dice"]
        1.0
    """

    def __init__(
        self, num_structures: int = 2, loss: Callable | None = None, ddf_key: str = "pred", initial: bool = False
    ):
        super().__init__()
        self.num_structures, self.loss, self.ddf_key, self.initial = num_structures, loss, ddf_key, initial

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """The item with its scores."""
        item = dict(data)
        ddf = torch.as_tensor(item[self.ddf_key]).float()
        scores = regularity_scores(ddf)
        if self.loss is not None:
            scores["loss"] = float(self.loss(ddf[None], torch.as_tensor(item["image"])[None]))
        if "fixed_label" in item:
            fixed_label = item["fixed_label"]
            channels = one_hot_label(item["moving_label"], self.num_structures).to(ddf)
            label = label_of(warp(channels[None], ddf[None], padding_mode="zeros")[0])
            others = fixed_label.as_tensor().to(ddf), Grid.from_image(fixed_label).spacing, self.num_structures
            moving_label = item["moving_label"].as_tensor()
            scores |= overlap_scores(label, *others, moving_label)
            if self.initial:
                scores |= _before(overlap_scores(label_of(channels), *others, moving_label))
        item[SCORES_KEY] = {**item.get(SCORES_KEY, {}), **scores}
        return item


class ScoreOnNativeGridd(Transform):
    """The same on the fixed image's own grid; names of scores begin with ``native_``.

    Args:
        num_structures: labels 1 to this number are scored.
        field_key: (3, X, Y, Z), RAS mm, a MetaTensor on the fixed image's own grid.
        initial: also score the pair before its registration, as the bundle has laid the images on each other.
    """

    def __init__(self, num_structures: int = 2, field_key: str = "field_mm", initial: bool = False):
        super().__init__()
        self.num_structures, self.field_key, self.initial = num_structures, field_key, initial

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """The item with its scores."""
        item = dict(data)
        field_mm = item[self.field_key]
        labels = [item.get(f"{side}_label{NATIVE_SUFFIX}") for side in ("fixed", "moving")]
        scores = registration_scores(field_mm, *labels, self.num_structures)
        if self.initial and labels[0] is not None:
            start = on_grid(torch.zeros_like(field_mm.as_tensor()), Grid.from_image(field_mm), like=field_mm)
            start = AddAlignmentd("start")({**item, "start": start})["start"] if ALIGNMENT_KEY in item else start
            scores |= _before(registration_scores(start, *labels, self.num_structures))
        item[SCORES_KEY] = {**item.get(SCORES_KEY, {}), **{f"native_{name}": x for name, x in scores.items()}}
        return item


def _before(scores: Mapping[str, float]) -> dict[str, float]:
    return {f"initial_{name}": scores[name] for name in BEFORE}


def registration_scores(
    field_mm: MetaTensor, fixed_label: MetaTensor | None, moving_label: MetaTensor | None, num_structures: int
) -> dict[str, float]:
    """Scores of a field in world space: regularity, and overlap where there are labels.

    Args:
        field_mm: (3, X, Y, Z), RAS mm, on the grid of the fixed label.
        fixed_label: (1, X, Y, Z).
        moving_label: (1, X', Y', Z'), on any grid; warped once, as one channel per class, with linear interpolation.
        num_structures: labels 1 to this number are scored.

    Returns:
        :func:`.regularity.regularity_scores` and :func:`.overlap.overlap_scores`.
    """
    grid = Grid.from_image(field_mm)
    field = field_mm.as_tensor().cpu()
    scores = regularity_scores(field_mm_to_ddf(field, grid))
    if fixed_label is None:
        return scores
    channels = one_hot_label(moving_label.cpu(), num_structures)
    label = label_of(warp_moving(channels, Grid.from_image(moving_label), field, grid))
    pair = label, fixed_label.as_tensor().cpu()
    return scores | overlap_scores(*pair, grid.spacing, num_structures, moving_label.as_tensor())


def smaller_is_better(new: float, best: float) -> bool:
    """For ``metric_cmp_fn`` of an evaluator whose key metric is an error or a loss.

    Example:
        >>> smaller_is_better(0.1, 0.2)
        True
    """
    return new < best


class MeanScore(Metric):
    """Mean of one score over all pairs; pairs where it is NaN or missing, as Dice without labels, are left out.

    Args:
        name: key in the ``scores`` of every item of the evaluator's output.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__()

    def reset(self) -> None:
        """Forget all pairs."""
        self._values: list[float] = []

    def iteration_completed(self, engine: Engine) -> None:
        """Take the scores of a batch."""
        self._values += [float(item[SCORES_KEY].get(self.name, math.nan)) for item in engine.state.output]

    def update(self, output: Any) -> None:
        """Unused: batches come through :meth:`iteration_completed`."""

    def compute(self) -> float:
        """Mean over the pairs, NaN without any."""
        values = [value for value in self._values if not math.isnan(value)]
        return sum(values) / len(values) if values else math.nan


def mean_scores(names: list[str]) -> dict[str, MeanScore]:
    """One :class:`MeanScore` per name, for the ``additional_metrics`` of an evaluator."""
    return {name: MeanScore(name) for name in names}
