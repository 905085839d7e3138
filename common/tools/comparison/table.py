"""Table of a comparison, from its file of results."""

from collections.abc import Mapping
from math import inf, isnan, nan
from pathlib import Path
from typing import Any

from ..results.record import read_rows, rows_of, summary
from ..results.tables import markdown_table
from ..results.wilcoxon import p_text, signed_rank_p

COLUMNS = {  # score → title, factor, decimals, whether with standard deviation
    "error_mm": ("error (mm)", 1, 3, True),
    "error_p95_mm": ("95th percentile (mm)", 1, 2, False),
    "dice": ("Dice", 1, 3, True),
    "dice_1": ("Dice 1", 1, 3, False),
    "dice_2": ("Dice 2", 1, 3, False),
    "hd95_mm": ("HD95 (mm)", 1, 2, True),
    "folding_fraction": ("folds (%)", 100, 4, False),
    "sdlogj": ("SDlogJ", 1, 3, False),
}
COSTS = {"processor_seconds": "processor seconds", "seconds": "seconds", "peak_gib": "memory (GiB)"}


BEST = "best"


def comparison_table(path: str | Path, against: str = "") -> str:
    """Markdown table of one list of pairs, a line per tool, the worst first: by error in mm where it is known, or Dice.

    Args:
        path: file of scripts/compare.py.
        against: name of a row, or best for the last line: a column has p of Wilcoxon's signed-rank test of every other
            row against it, by what the lines are sorted by.

    Returns:
        Means ± standard deviation over the pairs, median costs; tools that have not scored every pair of the longest
        row say how many they have, and those that ran several times how often. A row without a score shows a dash, and
        stands first where it has none of those that the lines are sorted by.

    Raises:
        ValueError: for an unknown row.

    Example:
        >>> import tempfile
        >>> from common.tools.results.record import write_row
        >>> scores = {"item": ["a b"], "dice": [0.5], "hd95_mm": [4.0], "seconds": [2.5], "processor_seconds": [2.0]}
        >>> file = Path(tempfile.mkdtemp()) / "hands-val.json"
        >>> write_row(file, "tool", {"title": "tool", "scores": scores})
        >>> print(comparison_table(file))
        | 1 pairs | Dice | HD95 (mm) | processor seconds | seconds | memory (GiB) |
        | --- | ---: | ---: | ---: | ---: | ---: |
        | tool | 0.500 ± 0.000 | 4.00 ± 0.00 | 2.00 | 2.50 | – |
    """
    rows = read_rows(path)
    scores = {name: rows_of(row["scores"]) for name, row in rows.items()}
    means = {name: summary(found) for name, found in scores.items()}
    names = sorted(rows, key=lambda name: _rank(means[name]))
    pairs = {name: len({_pair(row) for row in scores[name]}) for name in names}
    most = max(pairs.values())
    columns = {name: style for name, style in COLUMNS.items() if any(name in mean for mean in means.values())}
    tests = _tests(scores, names, against)
    lines = []
    for name in names:
        title = rows[name]["title"] + _note(pairs[name], len(scores[name]), most)
        cells = [_cell(means[name].get(column), *style[1:]) for column, style in columns.items()]
        lines.append([title, *cells, *([tests[name]] if tests else []), *_costs(means[name])])
    column = [f"p against {rows[names[-1] if against == BEST else against]['title']}"] if tests else []
    titles = [f"{most} pairs", *(style[0] for style in columns.values()), *column, *COSTS.values()]
    return markdown_table(titles, lines)


def _tests(scores: Mapping[str, list[dict[str, Any]]], names: list[str], against: str) -> dict[str, str]:
    """Name of a row → p against one of them; nothing without ``against``."""
    if not against:
        return {}
    if against not in (BEST, *names):
        raise ValueError(f"against: expected {BEST} or one of {', '.join(sorted(names))}, got {against!r}")
    reference = names[-1] if against == BEST else against
    score = "error_mm" if any("error_mm" in row for row in scores[reference]) else "dice"
    values = {
        name: {_pair(row): row[score] for row in found if not isnan(row.get(score, nan))}
        for name, found in scores.items()
    }
    compared = {name for name in names if name != reference and values[name].keys() & values[reference].keys()}
    return {name: p_text(signed_rank_p(values[name], values[reference])) if name in compared else "–" for name in names}


def _pair(row: Mapping[str, Any]) -> str:
    """Name of a pair, whichever time it was registered."""
    return row["item"].partition(" #")[0]


def _rank(mean: Mapping[str, Mapping[str, float]]) -> float:
    if "error_mm" in mean:
        return -mean["error_mm"]["mean"]
    return mean["dice"]["mean"] if "dice" in mean else -inf


def _note(pairs: int, runs: int, most: int) -> str:
    notes = [f"{pairs} pairs"] * (pairs < most) + [f"{runs} runs"] * (runs > pairs)
    return f" ({', '.join(notes)})" if notes else ""


def _cell(mean: Mapping[str, float] | None, factor: float, digits: int, with_deviation: bool) -> str:
    if mean is None:
        return "–"
    text = f"{factor * mean['mean']:.{digits}f}"
    return f"{text} ± {factor * mean['sd']:.{digits}f}" if with_deviation else text


def _costs(mean: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Medians, as the first pair is slower and other programs disturb single runs."""
    return [f"{mean[name]['median']:.2f}" if name in mean else "–" for name in COSTS]
