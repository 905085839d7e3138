"""One page to look at a registration: it holds everything it needs and asks nothing of a network."""

import html
import json
import os
from collections.abc import Mapping
from typing import Any

from ...files import write_atomically
from .data import report_data
from .page import PAGE
from .preview import Preview

NUMBER_ROWS = (
    ("Correlation", ("similarity", "{}", "correlation")),
    ("Normalized mutual information", ("similarity", "{}", "normalized_mutual_information")),
    ("Dice", ("overlap", "{}", "dice")),
    ("Landmark error, mean, mm", ("landmarks", "{}", "mean_mm")),
)
FIELD_ROWS = (
    ("Folded voxels, share", ("regularity", "folding_fraction")),
    ("SD of log Jacobian", ("regularity", "sdlogj")),
    ("Seconds", ("seconds",)),
    ("Peak memory, GiB", ("peak_memory_gib",)),
)


def write_report(path: str | os.PathLike, view: Preview, metrics: Mapping[str, Any]) -> None:
    """Write the page: slices with a slider, checkerboard, difference, grid, Jacobian, figures.

    Args:
        path: HTML file.
        view: small volumes.
        metrics: content of metrics.json.
    """
    # "</" would end the script that holds the data.
    data = json.dumps(report_data(view), separators=(",", ":")).replace("</", "<\\/")
    page = PAGE.replace("{{tables}}", _tables(metrics)).replace("{{data}}", data)
    write_atomically(path, lambda stream: stream.write(page.encode()))


def _tables(metrics: Mapping[str, Any]) -> str:
    names = [(name, metrics.get(name, "")) for name in ("fixed", "moving")]
    settings = metrics.get("settings", {}).items()
    hidden = {"fixed", "moving", "annotations", *(key for key in dict(settings) if key.endswith("_sha256"))}
    settings = [(key, value) for key, value in settings if value and key not in hidden]
    lines = ["<table><tr><th></th><th>before</th><th>after</th></tr>"]
    for title, place in NUMBER_ROWS:
        values = [_at(metrics, [part.format(when) for part in place]) for when in ("before", "after")]
        if any(value is not None for value in values):
            lines.append(f"<tr><td>{title}</td><td>{_text(values[0])}</td><td>{_text(values[1])}</td></tr>")
    for title, place in FIELD_ROWS:
        lines.append(f"<tr><td>{title}</td><td></td><td>{_text(_at(metrics, place))}</td></tr>")
    lines.append("</table><table>")
    lines += [f"<tr><td>{html.escape(key)}</td><td>{html.escape(_text(x))}</td></tr>" for key, x in names + settings]
    return "\n".join([*lines, "</table>"])


def _at(content: Any, place: list[str] | tuple[str, ...]) -> Any:
    for key in place:
        content = content.get(key) if isinstance(content, Mapping) else None
    return content


def _text(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_text(item)}" for key, item in value.items())
    return f"{value:.4g}" if isinstance(value, float) else str(value)
