"""Table of a comparison, from its file of results."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..results.record import read_rows, rows_of, summary
from ..results.tables import markdown_table

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


def comparison_table(path: str | Path) -> str:
    """Markdown table of one list of pairs, a line per tool, the worst first: by error in mm where it is known, or Dice.

    Args:
        path: file of scripts/compare.py.

    Returns:
        Means ± standard deviation over the pairs, median costs; tools that have not scored every pair of the longest
        row say how many they have, and those that ran several times how often.

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
    rows = [(row["title"], rows_of(row["scores"])) for row in read_rows(path).values()]
    found = [(title, len({_pair(row) for row in scores}), len(scores), summary(scores)) for title, scores in rows]
    most = max(pairs for _, pairs, *_ in found)
    columns = {name: style for name, style in COLUMNS.items() if any(name in mean for *_, mean in found)}
    lines = []
    for title, pairs, runs, mean in sorted(found, key=lambda entry: _rank(entry[-1])):
        cells = [_cell(mean.get(name), *style[1:]) for name, style in columns.items()]
        lines.append([title + _note(pairs, runs, most), *cells, *_costs(mean)])
    titles = [f"{most} pairs", *(style[0] for style in columns.values()), *COSTS.values()]
    return markdown_table(titles, lines)


def _pair(row: Mapping[str, Any]) -> str:
    """Name of a pair, whichever time it was registered."""
    return row["item"].partition(" #")[0]


def _rank(mean: Mapping[str, Mapping[str, float]]) -> float:
    return -mean["error_mm"]["mean"] if "error_mm" in mean else mean["dice"]["mean"]


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
