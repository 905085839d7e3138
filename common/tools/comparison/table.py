"""Tables of a comparison, from its result files."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .record import summary

COLUMNS = {  # score → title, factor, decimals, whether with standard deviation
    "dice": ("Dice", 1, 3, True),
    "dice_1": ("Dice 1", 1, 3, False),
    "dice_2": ("Dice 2", 1, 3, False),
    "hd95_mm": ("HD95 (mm)", 1, 2, True),
    "folding_fraction": ("folds (%)", 100, 4, False),
    "sdlogj": ("SDlogJ", 1, 3, False),
}


def read_comparison(folder: str | Path) -> dict[str, list[dict[str, Any]]]:
    """All results of a folder: list of pairs → results, the smallest mean Dice first.

    Files without ``list`` are something else and left out.
    """
    lists: dict[str, list[dict[str, Any]]] = {}
    for path in sorted(Path(folder).glob("*.json")):
        content = json.loads(path.read_text())
        if isinstance(content, Mapping) and content.get("list") and content.get("pairs"):
            lists.setdefault(content["list"], []).append(content | {"mean": summary(content["pairs"])})
    return {name: sorted(results, key=lambda x: x["mean"]["dice"]["mean"]) for name, results in lists.items()}


def comparison_table(results: Sequence[Mapping[str, Any]]) -> str:
    """Markdown table, a line per tool: means ± standard deviation over the pairs, median processor time.

    Args:
        results: of one list, from :func:`read_comparison`.

    Returns:
        The table; tools that have not scored every pair of the longest one say how many they have.

    Example:
        >>> rows = [{"fixed": "a", "moving": "b", "dice": 0.5, "hd95_mm": 4.0, "processor_seconds": 2.0}]
        >>> print(comparison_table([{"title": "tool", "pairs": rows}]))
        | 1 pairs | Dice | HD95 (mm) | processor seconds per pair |
        |---|---:|---:|---:|
        | tool | 0.500 ± 0.000 | 4.00 ± 0.00 | 2.00 |
    """
    means = [summary(result["pairs"]) for result in results]
    columns = {name: style for name, style in COLUMNS.items() if any(name in mean for mean in means)}
    most = max(len(result["pairs"]) for result in results)
    titles = [f"{most} pairs", *(style[0] for style in columns.values()), "processor seconds per pair"]
    lines = ["| " + " | ".join(titles) + " |", "|---|" + "---:|" * (len(titles) - 1)]
    for result, mean in zip(results, means, strict=True):
        count = len(result["pairs"])
        title = result["title"] + ("" if count == most else f" ({count} pairs)")
        cells = [_cell(mean.get(name), *style[1:]) for name, style in columns.items()]
        lines.append("| " + " | ".join([title, *cells, _seconds(mean)]) + " |")
    return "\n".join(lines)


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
