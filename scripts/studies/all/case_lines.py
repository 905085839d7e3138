"""Results of a study in a JSON file with one line per case, which a stopped run continues."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from common.files import write_atomically
from common.tools.results.record import environment, read_json


class CaseLines:
    """Cases of a study in a file, whole after each.

    Args:
        path: the JSON file: ``environment``, processor and versions of this process, and ``cases``.
        key: entries that tell one case from the others.

    Raises:
        ValueError: naming the file, where it is no JSON; on adding to a file of another environment.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "study.json"
        >>> CaseLines(path, ["name"]).add({"name": "a", "error": 0.5})
        >>> again = CaseLines(path, ["name"])
        >>> again.has("a"), again.has("b"), len(path.read_text().splitlines())
        (True, False, 4)
    """

    def __init__(self, path: Path, key: Sequence[str]) -> None:
        content = read_json(path) if path.is_file() else {"environment": environment(), "cases": []}
        self.path, self.key = path, key
        self.environment, self.rows = content["environment"], content["cases"]

    def has(self, *values: str) -> bool:
        """Whether a case has been measured."""
        return any(tuple(row[name] for name in self.key) == values for row in self.rows)

    def add(self, row: dict[str, Any]) -> None:
        """Keep a case."""
        if self.environment != environment():
            raise ValueError(f"{self.path}: expected an environment of {self.environment}, got {environment()}")
        self.replace([*self.rows, row])

    def replace(self, rows: Iterable[dict[str, Any]]) -> None:
        """Keep these cases, and no others."""
        self.rows = list(rows)
        lines = ",\n".join(json.dumps(row) for row in self.rows)
        text = f'{{"environment": {json.dumps(self.environment)}, "cases": [\n{lines}\n]}}\n'
        write_atomically(self.path, lambda stream: stream.write(text.encode()))
