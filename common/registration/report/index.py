"""The page of a batch: every pair with picture, verdict and scores, the worst on top."""

import html
import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ...files import write_atomically
from ..result_folder import read_result
from .index_page import PAGE
from .page import POLICY
from .still import still_of_report
from .style import INDEX_STYLE, STYLE
from .summary import GRADES, badge, bullets
from .tables import at, shown
from .write import filled

INDEX_FILE = "index.html"
GENERATOR = b'<meta name="generator" content="registration-bundles">'
NOT_REGISTERED = "not registered"
ORDER = (NOT_REGISTERED, *GRADES, "")  # worst first; "" is without a verdict
SCORES = (
    ("Dice before", ("overlap", "before", "dice")),
    ("Dice after", ("overlap", "after", "dice")),
    ("Landmarks before, mm", ("landmarks", "before", "mean_mm")),
    ("Landmarks after, mm", ("landmarks", "after", "mean_mm")),
    ("Folds, share", ("regularity", "folding_fraction")),
    ("Seconds", ("seconds",)),
)


@dataclass(frozen=True)
class Row:
    """One pair of a batch.

    Args:
        name: of its folder.
        grade: of its verdict; "not registered" where it failed, "" where there is no verdict.
        reasons: sentences.
        picture: data URL, or "".
        has_report: whether its folder has a report.
        scores: one for each of ``SCORES``, None where there is none.
    """

    name: str
    grade: str
    reasons: tuple[str, ...] = ()
    picture: str = ""
    has_report: bool = False
    scores: tuple[float | None, ...] = (None,) * len(SCORES)


def check_index(output_dir: str | os.PathLike, overwrite: bool = False) -> None:
    """Refuse, before any work, an output folder whose index.html is no index of a batch.

    Args:
        output_dir: folder of all pairs; need not exist.
        overwrite: whether a file of another program may be replaced.

    Raises:
        FileExistsError: where it is a folder, or a file of another program that may not be replaced.
    """
    path = Path(output_dir).expanduser() / INDEX_FILE
    if path.is_dir():
        raise FileExistsError(f"{path}: expected a place for the index of all pairs, found a folder")
    if path.is_file() and not overwrite and GENERATOR not in path.read_bytes():
        raise FileExistsError(
            f"{path}: expected no file or the index of an earlier run, got one of another program; --overwrite"
            " replaces it"
        )


def write_index(output_dir: str | os.PathLike, names: Sequence[str], failures: Mapping[str, str]) -> None:
    """Write index.html from what the folders of all pairs hold.

    Args:
        output_dir: folder of all pairs.
        names: of the pairs, each the name of a folder in it.
        failures: name → why that pair could not be registered in this run.
    """
    folder = Path(output_dir).expanduser()
    rows = sorted_rows([_row(folder, name, failures.get(name)) for name in names])
    shown_scores = [k for k in range(len(SCORES)) if any(row.scores[k] is not None for row in rows)]
    content = {
        "policy": POLICY,
        "generator": GENERATOR.decode(),
        "style": STYLE + INDEX_STYLE,
        "title": html.escape(f"{len(rows)} registrations in {folder.absolute().name}"),
        "counts": html.escape(_counts(rows)),
        "heads": "".join(_head(SCORES[k][0]) for k in shown_scores),
        "rows": "\n".join(_html(row, shown_scores) for row in rows),
    }
    page = filled(PAGE, content)
    write_atomically(folder / INDEX_FILE, lambda stream: stream.write(page.encode()))


def sorted_rows(rows: Sequence[Row]) -> list[Row]:
    """The pairs, those that failed or have the worst verdict first, else in their order.

    Example:
        >>> [row.name for row in sorted_rows([Row("a", "good"), Row("b", "failed"), Row("c", "not registered")])]
        ['c', 'b', 'a']
    """
    return sorted(rows, key=_rank)


def _rank(row: Row) -> int:
    return ORDER.index(row.grade if row.grade in ORDER else "")


def _row(folder: Path, name: str, failure: str | None) -> Row:
    if failure is not None:
        return Row(name, NOT_REGISTERED, (failure,))
    metrics = read_result(folder / name)
    if metrics is None:
        return Row(name, NOT_REGISTERED, ("There is no result in its folder.",))
    report = folder / name / "report.html"
    return Row(
        name,
        str(at(metrics, ("verdict", "grade")) or ""),
        tuple(at(metrics, ("verdict", "reasons")) or ()),
        still_of_report(report),
        report.is_file(),
        tuple(at(metrics, place) for _, place in SCORES),
    )


def _counts(rows: Sequence[Row]) -> str:
    """How many pairs have which verdict, the worst first."""
    counts = Counter(ORDER[_rank(row)] for row in rows)
    return ", ".join(f"{counts[grade]} {grade or 'without a verdict'}" for grade in ORDER if counts[grade])


def _head(title: str) -> str:
    return f'<th scope="col"><button type="button">{title}</button></th>'


def _html(row: Row, shown_scores: Sequence[int]) -> str:
    name = html.escape(row.name)
    link = f'<a href="{html.escape(quote(row.name))}/report.html">{name}</a>' if row.has_report else name
    picture = f'<img src="{row.picture}" alt="Fixed, moving and warped image of {name}">' if row.picture else ""
    verdict = (badge(row.grade) if row.grade else "") + bullets(row.reasons)
    cells = "".join(_number_cell(row.scores[k]) for k in shown_scores)
    return (
        f"<tr><th scope=\"row\" data-value='{_value(row.name)}'>{link}</th><td>{picture}</td>"
        f'<td data-value="{_rank(row)}">{verdict}</td>{cells}</tr>'
    )


def _number_cell(score: Any) -> str:
    return f'<td class="number" data-value="{_value(score)}">{shown(score)}</td>'


def _value(value: Any) -> str:
    """A value as JSON inside an attribute."""
    return html.escape(json.dumps(value))
