"""The scores of an evaluation on some lines of the terminal."""

import math
import re
from collections.abc import Mapping, Sequence

BEFORE = "initial_"
MOST_ROWS = 10
_OF_ONE_STRUCTURE = re.compile(r".*_\d+")
_SMALLER_IS_BETTER = re.compile(r".*(mm|loss)")
_HIDDEN = ("name", "seconds", "peak_memory_gib")


def score_summary(rows: Sequence[Mapping[str, float | str]]) -> list[str]:
    """Means of all cases, before → after where both are known, and a table of the cases; of many, of the worst.

    Args:
        rows: of the cases, ``name`` and scores; the score before is ``initial_<score>`` or ``native_initial_<score>``.

    Returns:
        Lines.

    Example:
        >>> rows = [{"name": name, "initial_dice": 0.5, "dice": dice} for name, dice in (("b-c", 0.75), ("a-b", 0.25))]
        >>> print(*score_summary(rows), sep="\\n")
        mean of 2 cases: dice 0.5 → 0.5
        dice of a-b: 0.5 → 0.25
        dice of b-c: 0.5 → 0.75
    """
    names = [name for name in dict.fromkeys(name for row in rows for name in row) if _is_shown(name)]
    compared = [name for name in names if any(_before(name) in row for row in rows)]
    means = [f"{name} {_change(name, _means(rows))}" for name in compared]
    means += [f"{name} {_means(rows)[name]:.4g}" for name in names if name not in compared]
    lines = [f"mean of {len(rows)} {'case' if len(rows) == 1 else 'cases'}: {', '.join(means)}"]
    if not compared:
        return lines
    main = compared[0]
    known = [row for row in rows if main in row and _before(main) in row]
    sign = -1.0 if _SMALLER_IS_BETTER.fullmatch(main) else 1.0
    known.sort(key=lambda row: sign * row[main])
    lines += [f"{main} of {row['name']}: {_change(main, row)}" for row in known[:MOST_ROWS]]
    rest = len(known) - MOST_ROWS
    return lines + ([f"and {rest} better ones in scores.csv"] if rest > 0 else [])


def _is_shown(name: str) -> bool:
    return not (name in _HIDDEN or BEFORE in name or _OF_ONE_STRUCTURE.fullmatch(name))


def _before(name: str) -> str:
    return f"native_{BEFORE}{name.removeprefix('native_')}" if name.startswith("native_") else BEFORE + name


def _change(name: str, scores: Mapping[str, float]) -> str:
    return f"{scores[_before(name)]:.4g} → {scores[name]:.4g}"


def _means(rows: Sequence[Mapping[str, float | str]]) -> dict[str, float]:
    means = {}
    for name in dict.fromkeys(name for row in rows for name in row):
        values = [row[name] for row in rows if isinstance(row.get(name), int | float) and not math.isnan(row[name])]
        means[name] = sum(values) / len(values) if values else math.nan
    return means
