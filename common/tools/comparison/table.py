"""Table of a comparison, from its file of results."""

from collections.abc import Mapping
from pathlib import Path

from ..results.record import read_rows, rows_of, summary
from ..results.tables import markdown_table

COLUMNS = {  # score → title, factor, decimals, whether with standard deviation
    "dice": ("Dice", 1, 3, True),
    "dice_1": ("Dice 1", 1, 3, False),
    "dice_2": ("Dice 2", 1, 3, False),
    "hd95_mm": ("HD95 (mm)", 1, 2, True),
    "folding_fraction": ("folds (%)", 100, 4, False),
    "sdlogj": ("SDlogJ", 1, 3, False),
}


def comparison_table(path: str | Path) -> str:
    """Markdown table of one list of pairs, a line per tool, the smallest mean Dice first.

    Args:
        path: file of scripts/compare.py.

    Returns:
        Means ± standard deviation over the pairs, median processor time; tools that have not scored every pair of the
        longest row say how many they have.

    Example:
        >>> import tempfile
        >>> from common.tools.results.record import write_row
        >>> scores = {"item": ["a b"], "dice": [0.5], "hd95_mm": [4.0], "processor_seconds": [2.0]}
        >>> file = Path(tempfile.mkdtemp()) / "hands-val.json"
        >>> write_row(file, "tool", {"title": "tool", "scores": scores})
        >>> print(comparison_table(file))
        | 1 pairs | Dice | HD95 (mm) | processor seconds per pair |
        | --- | ---: | ---: | ---: |
        | tool | 0.500 ± 0.000 | 4.00 ± 0.00 | 2.00 |
    """
    rows = list(read_rows(path).values())
    found = [(row["title"], len(row["scores"]["item"]), summary(rows_of(row["scores"]))) for row in rows]
    most = max(count for _, count, _ in found)
    columns = {name: style for name, style in COLUMNS.items() if any(name in mean for *_, mean in found)}
    lines = []
    for title, count, mean in sorted(found, key=lambda entry: entry[2]["dice"]["mean"]):
        cells = [_cell(mean.get(name), *style[1:]) for name, style in columns.items()]
        lines.append([title + ("" if count == most else f" ({count} pairs)"), *cells, _seconds(mean)])
    titles = [f"{most} pairs", *(style[0] for style in columns.values()), "processor seconds per pair"]
    return markdown_table(titles, lines)


def _cell(mean: Mapping[str, float] | None, factor: float, digits: int, with_deviation: bool) -> str:
    if mean is None:
        return "–"
    text = f"{factor * mean['mean']:.{digits}f}"
    return f"{text} ± {factor * mean['sd']:.{digits}f}" if with_deviation else text


def _seconds(mean: Mapping[str, Mapping[str, float]]) -> str:
    """Median of the processor's seconds, as the first pair loads the tool; of the clock's where those are missing."""
    if "processor_seconds" in mean:
        return f"{mean['processor_seconds']['median']:.2f}"
    return f"{mean['seconds']['median']:.2f} (clock)"
