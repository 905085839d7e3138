"""The result file of one tool on one list of pairs, kept pair by pair."""

import datetime
import json
import platform
import statistics
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ...files import plain, write_json

NAMES = ("fixed", "moving")


class ComparisonRecord:
    """Scores of a tool, one row per pair; the file is whole after every pair, so that a stopped run continues.

    Args:
        path: the JSON file.
        list_name: which list of pairs, such as Task04_Hippocampus-val.
        title: of the tool in a table.
        settings: name → value of all that determines scores and seconds.
        overwrite: start again, whatever the file holds.

    Raises:
        ValueError: where the file was made with other settings; names them.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "result.json"
        >>> ComparisonRecord(path, "hands-val", "tool", {"weight": 1}).add({"fixed": "a", "moving": "b", "dice": 0.5})
        >>> again = ComparisonRecord(path, "hands-val", "tool", {"weight": 1})
        >>> again.has("a", "b"), again.has("b", "a")
        (True, False)
    """

    def __init__(
        self, path: str | Path, list_name: str, title: str, settings: Mapping[str, Any], overwrite: bool = False
    ) -> None:
        self.path = Path(path)
        self.head = {"list": list_name, "title": title, "settings": json.loads(json.dumps(plain(settings)))}
        self.rows: list[dict] = []
        if self.path.is_file() and not overwrite:
            self.rows = self._earlier(json.loads(self.path.read_text()))

    def _earlier(self, content: Mapping[str, Any]) -> list[dict]:
        found, expected = content.get("settings", {}), self.head["settings"]
        other = sorted(name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name))
        if other or "settings" not in content:
            texts = [f"{name} {found.get(name)!r}, now {expected.get(name)!r}" for name in other]
            raise ValueError(
                f"{self.path}: expected a result of the same settings, got {'; '.join(texts) or 'none'}; "
                "--overwrite True starts again, another --tool name keeps both"
            )
        return list(content["pairs"])

    def has(self, fixed: str, moving: str) -> bool:
        """Whether a pair has been scored."""
        return any((row["fixed"], row["moving"]) == (fixed, moving) for row in self.rows)

    def add(self, row: Mapping[str, Any]) -> None:
        """Keep a pair: ``fixed``, ``moving`` and its scores."""
        self.rows.append(dict(row))
        environment = {
            "processor": platform.processor() or platform.machine(),
            "versions": {name: version(name) for name in ("torch", "monai")},
            "date": datetime.date.today().isoformat(),
        }
        write_json(self.path, self.head | environment | {"mean": summary(self.rows), "pairs": self.rows})


def summary(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Score → mean, standard deviation and median over the pairs where it is a number.

    Example:
        >>> summary([{"fixed": "a", "dice": 0.5}, {"fixed": "b", "dice": 1.0}])["dice"]["mean"]
        0.75
    """
    result = {}
    for name in dict.fromkeys(name for row in rows for name in row if name not in NAMES):
        values = [row[name] for row in rows if row.get(name) is not None and row[name] == row[name]]
        if values:
            deviation = statistics.stdev(values) if len(values) > 1 else 0.0
            result[name] = {"mean": statistics.fmean(values), "sd": deviation, "median": statistics.median(values)}
    return result
