"""Markdown tables made from result files."""

import re
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ...files import write_atomically

NOT_RUN = "not run"


def summary(values: Sequence[float | None], expected: int, scale: float = 1.0, digits: int = 3) -> str:
    """Mean ± sample standard deviation over the seeds that have run.

    Args:
        values: one score per finished seed; None where it was not a number.
        expected: number of seeds of the row.
        scale: factor on the scores, 100 for percent.
        digits: decimals.

    Returns:
        Text; how many of the seeds it rests on where some are missing, "not run" where all are.

    Example:
        >>> summary([0.5, 0.7], expected=3, scale=100, digits=1)
        '60.0 ± 14.1 (2 of 3)'
    """
    if not values:
        return NOT_RUN
    finite = [scale * value for value in values if value is not None]
    if len(finite) < len(values):
        return f"not finite in {len(values) - len(finite)} of {len(values)}"
    text = f"{statistics.mean(finite):.{digits}f}"
    if len(finite) > 1:
        text += f" ± {statistics.stdev(finite):.{digits}f}"
    return text if len(values) == expected else f"{text} ({len(values)} of {expected})"


def markdown_table(titles: Sequence[str], lines: Iterable[Sequence[object]]) -> str:
    """Markdown table, its first column to the left, the others to the right.

    Example:
        >>> print(markdown_table(["", "Dice"], [["before", 0.5]]))
        |  | Dice |
        | --- | ---: |
        | before | 0.5 |
    """
    rule = ["---"] + ["---:"] * (len(titles) - 1)
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in (titles, rule, *lines))


def results_table(
    table: Mapping[str, Any], dataset: str, results: Mapping[tuple[str, str], list[Mapping[str, Any]]]
) -> str:
    """Table of one data set: a line per row that has run, a column per metric, then the titles of the other rows.

    Args:
        table: declaration, see :func:`~common.tools.results.cells.read_table`.
        dataset: name of the data set.
        results: (data set, row) → results of the finished seeds.

    Returns:
        Markdown.

    Raises:
        KeyError: if a result lacks one of the table's metrics.
    """
    metrics, lines, missing = table["metrics"], [], []
    for row, style in table["rows"].items():
        title, found = style.get("title", row), results.get((dataset, row), [])
        if not found:
            missing.append(title)
            continue
        lines.append([title, *(_entry(name, metrics[name], found, len(table["seeds"])) for name in metrics)])
    text = markdown_table(["", *(style.get("title", name) for name, style in metrics.items())], lines)
    return f"{text}\n\nNot run: {'; '.join(missing)}." if missing else text


def _entry(name: str, style: Mapping[str, Any], results: Sequence[Mapping[str, Any]], expected: int) -> str:
    for result in results:
        if name not in result["scores"]:
            raise KeyError(f"expected a score {name!r}, the result holds {sorted(result['scores'])}")
    values = [result["scores"][name] for result in results]
    return summary(values, expected, style.get("scale", 1.0), style.get("digits", 3))


def replace_tables(path: str | Path, tables: Mapping[str, str], marker: str = "table") -> list[str]:
    """Put tables between the markers ``<!-- table:NAME -->`` and ``<!-- /table -->`` of a Markdown file.

    Args:
        path: the file; it is replaced atomically, and only where something changes.
        tables: name → Markdown.
        marker: another word for ``table`` in the markers.

    Returns:
        Names of the tables found in the file.

    Raises:
        ValueError: if a marker names an unknown table or is not closed.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "README.md"
        >>> _ = file.write_text("<!-- table:sample -->\\nold\\n<!-- /table -->\\n")
        >>> replace_tables(file, {"sample": "new"})
        ['sample']
        >>> file.read_text().splitlines()[1]
        'new'
    """
    path = Path(path)
    text = path.read_text(encoding="utf-8")
    names = re.findall(rf"<!-- {marker}:(\S+) -->", text)
    unknown = [name for name in names if name not in tables]
    if unknown or text.count(f"<!-- /{marker} -->") != len(names):
        raise ValueError(f"expected closed markers of {sorted(tables)} in {path}, got {names}, unknown {unknown}")
    fresh = re.sub(
        rf"<!-- {marker}:(\S+) -->.*?<!-- /{marker} -->",
        lambda match: f"<!-- {marker}:{match[1]} -->\n{tables[match[1]]}\n<!-- /{marker} -->",
        text,
        flags=re.DOTALL,
    )
    if fresh != text:
        write_atomically(path, lambda stream: stream.write(fresh.encode()))
    return names
