"""Results of a table in one JSON file, row by row, from any number of processes.

The file holds ``environments``, the processors and versions that rows were made with, each once under a key, and
``rows``: name → what was measured, with the key of its environment and its date.
"""

import datetime
import json
import platform
import statistics
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ...files import plain, write_json
from .queue import exclusive

PACKAGES = ("torch", "monai", "numpy", "pytorch-ignite", "registration-bundles")
NUM_DIGITS = 7  # of a score of one item, what a float32 holds


def environment() -> dict[str, str]:
    """Processor and versions of this process."""
    machine = {"processor": platform.processor() or platform.machine(), "python": platform.python_version()}
    return machine | {name: version(name) for name in PACKAGES}


def read_rows(path: str | Path) -> dict[str, dict[str, Any]]:
    """Rows of a file, by name; none where there is no file.

    Raises:
        ValueError: naming the file, where it is no JSON or no file of results.
    """
    return _read(Path(path))["rows"]


def write_row(path: str | Path, name: str, row: Mapping[str, Any]) -> None:
    """Add a row to a file, or replace it; the other rows stay, also those that other processes add meanwhile.

    Args:
        path: the JSON file.
        name: of the row; rows are sorted by it.
        row: its content; "environment" and "date" are filled in where it lacks them.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "table.json"
        >>> write_row(path, "ours", {"dice": 0.5})
        >>> write_row(path, "before", {"dice": 0.25})
        >>> {name: row["dice"] for name, row in read_rows(path).items()}
        {'before': 0.25, 'ours': 0.5}
    """
    path = Path(path)
    with exclusive(path.parent, wait=True):
        known, rows = _read(path).values()
        if "environment" not in row:
            own = environment()
            free = next(key for key in map(str, range(1, len(known) + 2)) if key not in known)
            key = next((key for key, value in known.items() if value == own), free)
            known[key] = own
            row = {**row, "environment": key}
        rows[name] = {**row, "date": row.get("date", datetime.date.today().isoformat())}
        used = {row.get("environment") for row in rows.values()}
        environments = {key: value for key, value in known.items() if key in used}
        write_json(path, {"environments": environments, "rows": dict(sorted(rows.items()))})


def _read(path: Path) -> dict[str, dict]:
    if not path.is_file():
        return {"environments": {}, "rows": {}}
    content = read_json(path)
    if not isinstance(content, Mapping) or "rows" not in content:
        raise ValueError(f"{path}: expected a file of results, with rows, got {sorted(content)}")
    return {"environments": content.get("environments", {}), "rows": content["rows"]}


def read_json(path: Path) -> Any:
    """Content of a JSON file.

    Raises:
        ValueError: naming the file, where it is none.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"expected JSON in {path}, got: {error}") from error


def columns(rows: Iterable[Mapping[str, Any]]) -> dict[str, list]:
    """Rows as one list per name, None where a row has no such number; :func:`rows_of` turns them back.

    Example:
        >>> columns([{"item": "a", "dice": 0.5}, {"item": "b"}])
        {'item': ['a', 'b'], 'dice': [0.5, None]}
    """
    rows = list(rows)
    return {name: [row.get(name) for row in rows] for name in dict.fromkeys(name for row in rows for name in row)}


def rows_of(lists: Mapping[str, Sequence]) -> list[dict[str, Any]]:
    """Rows of :func:`columns`, without what is None.

    Example:
        >>> rows_of({"item": ["a", "b"], "dice": [0.5, None]})
        [{'item': 'a', 'dice': 0.5}, {'item': 'b'}]
    """
    rows = (zip(lists, values, strict=True) for values in zip(*lists.values(), strict=True))
    return [{name: value for name, value in row if value is not None} for row in rows]


class ScoredRow:
    """Scores of one row, item by item; the file is whole after every item, so that a stopped run continues.

    Args:
        path: JSON file of the table.
        name: of the row.
        settings: name → value of all that determines the scores.
        overwrite: start again, whatever the file holds.
        **facts: kept with the row, such as its title.

    Raises:
        ValueError: where the file's row was made with other settings; names them.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "hands.json"
        >>> ScoredRow(path, "tool", {"weight": 1}).add("a b", {"dice": 0.5})
        >>> again = ScoredRow(path, "tool", {"weight": 1})
        >>> again.has("a b"), again.has("b a")
        (True, False)
    """

    def __init__(
        self, path: str | Path, name: str, settings: Mapping[str, Any], overwrite: bool = False, **facts: Any
    ) -> None:
        self.path, self.name = Path(path), name
        self.head = {**facts, "settings": json.loads(json.dumps(plain(settings)))}
        earlier = read_rows(path).get(name)
        self.rows = self._checked(earlier) if earlier is not None and not overwrite else []

    def _checked(self, earlier: Mapping[str, Any]) -> list[dict[str, Any]]:
        found, expected = earlier.get("settings", {}), self.head["settings"]
        other = sorted(name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name))
        if other or "settings" not in earlier:
            texts = [f"{name} {found.get(name)!r}, now {expected.get(name)!r}" for name in other]
            raise ValueError(
                f"{self.path}, {self.name}: expected a result of the same settings, got {'; '.join(texts) or 'none'}; "
                "start again (--overwrite True), or choose another name to keep both"
            )
        return rows_of(earlier["scores"])

    def has(self, item: str) -> bool:
        """Whether an item has been scored."""
        return any(row["item"] == item for row in self.rows)

    def add(self, item: str, scores: Mapping[str, float]) -> None:
        """Keep the scores of an item, without those that are no numbers."""
        known = {name: float(f"{value:.{NUM_DIGITS}g}") for name, value in scores.items() if value == value}
        self.rows.append({"item": item, **known})
        write_row(self.path, self.name, {**self.head, "scores": columns(self.rows)})


def means(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Mean of every score over the items that have it."""
    return {name: value["mean"] for name, value in summary(rows).items()}


def summary(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Score → mean, standard deviation and median over the items where it is a number.

    Example:
        >>> summary([{"item": "a", "dice": 0.5}, {"item": "b", "dice": 1.0}])["dice"]["mean"]
        0.75
    """
    result = {}
    for name in dict.fromkeys(name for row in rows for name in row if name != "item"):
        values = [row[name] for row in rows if row.get(name) is not None and row[name] == row[name]]
        if values:
            deviation = statistics.stdev(values) if len(values) > 1 else 0.0
            result[name] = {"mean": statistics.fmean(values), "sd": deviation, "median": statistics.median(values)}
    return result
