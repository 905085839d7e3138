"""One page to look at a registration: it holds everything it needs and asks nothing of a network."""

import html
import json
import os
import re
from collections.abc import Mapping
from typing import Any

from ...files import write_atomically
from .data import report_data
from .drawing import DRAWING
from .marks import NO_MARKS, Marks
from .page import MARK_LEGEND, PAGE, PLANES, POLICY, comparisons, mark_controls, options, panes, sliders
from .preview import Preview
from .still import still
from .style import REPORT_STYLE, STYLE
from .summary import summary
from .tables import is_one_contrast, pair_title, tables
from .viewer import VIEWER


def write_report(path: str | os.PathLike, view: Preview, metrics: Mapping[str, Any], marks: Marks = NO_MARKS) -> None:
    """Write the page: verdict, three linked planes before and after, comparisons, Jacobian, grid, figures.

    Args:
        path: HTML file.
        view: small volumes.
        metrics: content of metrics.json.
        marks: labels and landmarks to draw.
    """
    # "</" would end the script that holds the data.
    data = json.dumps(report_data(view, marks), separators=(",", ":")).replace("</", "<\\/")
    content = {
        "policy": POLICY,
        "title": html.escape(pair_title(metrics)),
        "style": STYLE + REPORT_STYLE,
        "summary": summary(metrics),
        "still": still(view),
        "plane_options": options([plane.name for plane in PLANES]),
        "sliders": sliders(),
        "comparison_options": options(comparisons(is_one_contrast(metrics))),
        "mark_controls": mark_controls(marks.numbers, bool(marks.points)),
        "mark_legend": MARK_LEGEND if marks.labels or marks.points else "",
        "planes": panes(),
        "tables": tables(metrics),
        "data": data,
        "script": DRAWING + VIEWER,
    }
    page = filled(PAGE, content)
    write_atomically(path, lambda stream: stream.write(page.encode()))


def filled(template: str, content: Mapping[str, str]) -> str:
    """A template with its ``{{names}}`` replaced, all at once: what looks like a name inside the content stays.

    Example:
        >>> filled("{{a}} {{b}}", {"a": "{{b}}", "b": "c"})
        '{{b}} c'
    """
    return re.sub(r"\{\{(\w+)\}\}", lambda name: content[name[1]], template)
