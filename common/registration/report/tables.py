"""The figures of metrics.json as tables of HTML; every name is escaped."""

import html
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

WHEN = ("before", "after")
SCORES = (
    ("Normalized mutual information", ("similarity", "{}", "normalized_mutual_information")),
    ("Correlation", ("similarity", "{}", "correlation")),
    ("Dice, mean of the labels", ("overlap", "{}", "dice")),
    ("Landmark error, mean, mm", ("landmarks", "{}", "mean_mm")),
    ("Landmark error, largest, mm", ("landmarks", "{}", "max_mm")),
)
ONE_CONTRAST_SCORES = ("Correlation",)  # they mean nothing across contrasts
RESULTS = (
    ("Folded voxels, share", ("regularity", "folding_fraction")),
    ("SD of log Jacobian", ("regularity", "sdlogj")),
    ("Seconds", ("seconds",)),
    ("Peak memory, GiB", ("peak_memory_gib",)),
)
HIDDEN_SETTINGS = ("fixed", "moving", "annotations")
ONE_CONTRAST_SIMILARITIES = ("lncc", "mse")


def is_one_contrast(metrics: Mapping[str, Any]) -> bool:
    """Whether the images show one contrast, so that their difference means something.

    Where metrics.json has no word on that, the similarity tells by which they were compared.

    Example:
        >>> is_one_contrast({"contrast": {"similarity": "lncc", "is_one": False}})
        False
        >>> is_one_contrast({"contrast": {"similarity": "mind"}}), is_one_contrast({"contrast": {"similarity": "lncc"}})
        (False, True)
        >>> is_one_contrast({"settings": {"refinement": {"similarity": "mse"}}}), is_one_contrast({})
        (True, False)
    """
    is_one = at(metrics, ("contrast", "is_one"))
    if is_one is not None:
        return is_one
    refined_by = at(metrics, ("settings", "refinement", "similarity"))
    return (at(metrics, ("contrast", "similarity")) or refined_by) in ONE_CONTRAST_SIMILARITIES


def tables(metrics: Mapping[str, Any]) -> str:
    """Scores, Dice of each label, measures of the verdict, and what the registration was made with."""
    parts = [_scores(metrics), _labels(metrics), _measures(metrics), _settings(metrics)]
    return "\n".join(f"<div>{part}</div>" for part in parts if part)


def table(title: str, head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table whose first column names the rows; "" without rows.

    Example:
        >>> table("", [], [["<1>", 0.5]])
        '<table><tr><th scope="row">&lt;1&gt;</th><td>0.5</td></tr></table>'
    """
    lines = [
        f'<tr><th scope="row">{html.escape(str(name))}</th>'
        + "".join(f"<td>{html.escape(shown(cell))}</td>" for cell in cells)
        + "</tr>"
        for name, *cells in rows
    ]
    if not lines:
        return ""
    caption = f"<caption>{html.escape(title)}</caption>" if title else ""
    columns = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in head)
    return f"<table>{caption}{f'<tr>{columns}</tr>' if head else ''}{''.join(lines)}</table>"


def at(content: Any, place: Iterable[str]) -> Any:
    """An entry of nested mappings; None where there is none.

    Example:
        >>> at({"overlap": None}, ("overlap", "after", "dice")) is None
        True
    """
    for key in place:
        content = content.get(key) if isinstance(content, Mapping) else None
    return content


def shown(value: Any) -> str:
    """A value as a reader wants it: four digits of a number, a dash for none.

    Example:
        >>> shown(0.123456), shown(None), shown({"init": "world"})
        ('0.1235', '–', 'init world')
    """
    if value is None or value != value:
        return "–"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {shown(item)}" for key, item in value.items())
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _scores(metrics: Mapping[str, Any]) -> str:
    rows = []
    for title, place in SCORES:
        values = [at(metrics, [part.format(when) for part in place]) for when in WHEN]
        is_meaningful = title not in ONE_CONTRAST_SCORES or is_one_contrast(metrics)
        if is_meaningful and values != [None, None]:
            rows.append([title, *values])
    rows += [[title, "", at(metrics, place)] for title, place in RESULTS]
    return table("Scores", ["", *WHEN], rows)


def _labels(metrics: Mapping[str, Any]) -> str:
    before, after = (at(metrics, ("overlap", when, "per_label")) or {} for when in WHEN)
    numbers = sorted(before.keys() | after.keys(), key=int)
    rows = [[number, before.get(number), after.get(number), _change(before, after, number)] for number in numbers]
    return table("Dice of each label", ["label", *WHEN, "change"], rows)


def _change(before: Mapping[str, float], after: Mapping[str, float], number: str) -> str | None:
    values = [scores.get(number) for scores in (before, after)]
    return None if None in values else f"{values[1] - values[0]:+.3f}".replace("-", "−")


def _measures(metrics: Mapping[str, Any]) -> str:
    measures = at(metrics, ("verdict", "measures")) or {}
    return table("Measures of the verdict", [], [[name.replace("_", " "), x] for name, x in measures.items()])


def _settings(metrics: Mapping[str, Any]) -> str:
    settings = at(metrics, ("settings",)) or {}
    rows = [[name, str(metrics[name])] for name in ("fixed", "moving") if name in metrics]
    rows += [
        [name, value]
        for name, value in settings.items()
        if value and name not in HIDDEN_SETTINGS and not name.endswith("_sha256")
    ]
    return table("Made with", [], rows)


def pair_title(metrics: Mapping[str, Any]) -> str:
    """The pair in a line.

    Example:
        >>> pair_title({"fixed": "data/a.nii.gz", "moving": "data/b.nii.gz"})
        'b.nii.gz onto a.nii.gz'
    """
    fixed, moving = (Path(str(metrics.get(name, name))).name for name in ("fixed", "moving"))
    return f"{moving} onto {fixed}"
