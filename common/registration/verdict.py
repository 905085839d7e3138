"""Good, doubtful or failed: what a registration's measures say about it."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

GRADES = ("good", "doubtful", "failed")


@dataclass(frozen=True)
class Verdict:
    """A grade and what led to it.

    Args:
        grade: "good", "doubtful" or "failed".
        reasons: sentences with number and bound; of a good registration, none.
        measures: what was measured, by name.
    """

    grade: str
    reasons: list[str] = field(default_factory=list)
    measures: dict[str, float] = field(default_factory=dict)

    @property
    def facts(self) -> dict[str, Any]:
        """For metrics.json; numbers that are not finite are left out."""
        known = {name: value for name, value in self.measures.items() if math.isfinite(value)}
        return {**asdict(self), "measures": known}

    def __str__(self) -> str:
        return f"verdict: {self.grade}" + (f" ({'; '.join(self.reasons)})" if self.reasons else "")


@dataclass(frozen=True)
class Bound:
    """Beyond which number a measure makes a registration doubtful or failed.

    Args:
        measure: its value from all measures; larger is worse.
        doubtful: bound of a good one; None for none.
        failed: bound of one that is not failed; None for none.
        sentence: of the reason, with ``{value}`` and ``{bound}``.
    """

    measure: Callable[[Mapping[str, float]], float]
    doubtful: float | None
    failed: float | None
    sentence: str

    def broken(self, measures: Mapping[str, float]) -> tuple[str, str] | None:
        """Grade and reason where a bound is exceeded; a measure that is missing or NaN exceeds none."""
        try:
            value = self.measure(measures)
        except (KeyError, ZeroDivisionError):
            return None
        for grade, bound in (("failed", self.failed), ("doubtful", self.doubtful)):
            if bound is not None and value > bound:
                return grade, self.sentence.format(value=f"{abs(value):.3g}", bound=f"{abs(bound):g}")
        return None


# Chosen on the first part of scripts/studies/all/verdict_calibration.py.
PERFECT = 0.05  # share of the distance of images that lie apart, below which a start has nothing to lose
BOUNDS = (
    Bound(
        lambda m: m["folding_fraction"],
        0.002,
        0.01,
        "folds: expected a share of at most {bound} of the voxels, got {value}",
    ),
    Bound(
        lambda m: m["mind_after"] / max(m["mind_initial"], PERFECT * m["mind_chance"]),
        None,
        1.02,
        "MIND-SSC: expected a distance of at most {bound} times that before, got {value}",
    ),
    Bound(
        lambda m: m["mind_after"] / m["mind_chance"],
        0.65,
        0.8,
        "MIND-SSC: expected a distance of at most {bound} times that of images that lie apart, got {value}",
    ),
    Bound(
        lambda m: m["left_mm"] / m["spacing_mm"],
        0.25,
        0.5,
        "search by MIND-SSC: expected at most {bound} voxels by which it would still move the image, got {value}",
    ),
    Bound(
        lambda m: 1 - m["coverage"],
        0.5,
        0.7,
        "field of view: expected a share of at most {bound} of the fixed image to lie outside of the moving one,"
        " got {value}",
    ),
    Bound(
        lambda m: m["mind_aligned"] / m["mind_mirrored"],
        1.04,
        None,
        "sides: expected the image to fit at most {bound} times better with left and right exchanged, got {value}",
    ),
    Bound(
        lambda m: -m["jacobian_1_percent"],
        -0.1,
        None,
        "volume: expected a hundredth of the voxels to shrink to no less than {bound} of their volume, got {value}",
    ),
)


def verdict_of(
    measures: Mapping[str, float],
    overlap: Mapping[str, Any] | None = None,
    landmarks: Mapping[str, Any] | None = None,
    doubts: Iterable[str] = (),
) -> Verdict:
    """Grade a registration by its worst measure.

    Args:
        measures: see :func:`~.evidence.evidence`.
        overlap: Dice before and after, where there are labels.
        landmarks: error before and after, where there are landmarks.
        doubts: sentences known before, such as that a bundle was not trained for the pair.

    Example:
        >>> print(verdict_of({"folding_fraction": 0.46}))
        verdict: failed (folds: expected a share of at most 0.01 of the voxels, got 0.46)
    """
    found = [broken for bound in BOUNDS if (broken := bound.broken(measures))]
    found += _worse("Dice", overlap, "dice", -1) + _worse("landmark error in mm", landmarks, "mean_mm", 1)
    found += [("doubtful", doubt) for doubt in doubts]
    grade = max((grade for grade, _ in found), key=GRADES.index, default="good")
    reasons = [reason for _, reason in sorted(found, key=lambda item: -GRADES.index(item[0]))]
    return Verdict(grade, reasons, dict(measures))


def _worse(name: str, scores: Mapping[str, Any] | None, key: str, sign: int) -> list[tuple[str, str]]:
    """The reason to call a registration failed after which a score is worse than before."""
    if not scores:
        return []
    before, after = (scores[when][key] for when in ("before", "after"))
    if not sign * (after - before) > 0:
        return []
    order = "at least" if sign < 0 else "at most"
    return [("failed", f"{name}: expected {order} {before:.3f}, as before, got {after:.3f}")]


def summary(verdicts: Iterable[tuple[str, Mapping[str, Any]]]) -> str:
    """How many registrations got each grade, and the names and reasons of those that are not good.

    Args:
        verdicts: name of a pair and :attr:`Verdict.facts`.

    Example:
        >>> print(summary([("a", {"grade": "good"}), ("b", {"grade": "failed", "reasons": ["it folds"]})]))
        verdicts: 1 good, 0 doubtful, 1 failed
        failed: b (it folds)
    """
    verdicts = sorted(verdicts, key=lambda item: (-GRADES.index(item[1]["grade"]), item[0]))
    grades = [verdict["grade"] for _, verdict in verdicts]
    lines = ["verdicts: " + ", ".join(f"{grades.count(grade)} {grade}" for grade in GRADES)]
    lines += [f"{v['grade']}: {name} ({'; '.join(v['reasons'])})" for name, v in verdicts if v["grade"] != "good"]
    return "\n".join(lines)
