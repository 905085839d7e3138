"""Scores over the epochs of a training, read from its run and drawn for a card."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from monai.utils import optional_import

from ..atomic import write_atomically


def read_convergence(output_dir: Path) -> list[dict[str, Any]]:
    """What :class:`~common.handlers.convergence.Convergence` wrote in the folder of a run; empty without it."""
    path = Path(output_dir) / "convergence.json"
    return json.loads(path.read_text()) if path.is_file() else []


def draw_convergence(
    table: Mapping[str, Any], results: Mapping[tuple[str, str], Sequence[Mapping[str, Any]]], path: Path
) -> Path:
    """One panel per score in ``table["curves"]``, one color per row, one line per seed.

    Args:
        table: declaration, see :func:`~common.results.cells.read_table`; "curves" maps a score of the validations to
            the label of its axis.
        results: (data set, row) → results of the finished seeds, with "convergence".
        path: SVG file to write.

    Returns:
        ``path``.
    """
    pyplot, _ = optional_import("matplotlib.pyplot")
    with pyplot.rc_context({"svg.hashsalt": "convergence", "font.size": 8}):
        figure, panels = pyplot.subplots(1, len(table["curves"]), figsize=(3.6 * len(table["curves"]), 2.6))
        for panel, (score, label) in zip(_ensure_list(panels), table["curves"].items(), strict=True):
            for number, row in enumerate(table["rows"]):
                _draw_row(panel, f"C{number}", table["rows"][row].get("title", row), score, _runs(results, row))
            panel.set(xlabel="epoch", ylabel=label)
            panel.legend(frameon=False)
        figure.tight_layout()
        write_atomically(path, lambda stream: figure.savefig(stream, format="svg", metadata={"Date": None}))
        pyplot.close(figure)
    return path


def _runs(results: Mapping[tuple[str, str], Sequence[Mapping[str, Any]]], row: str) -> list[list[dict]]:
    found = [result for (_, name), runs in results.items() if name == row for result in runs]
    return [result["convergence"] for result in found if result.get("convergence")]


def _draw_row(panel, color: str, title: str, score: str, runs: list[list[dict]]) -> None:
    for number, run in enumerate(runs):
        rows = [point for point in run if point.get(score) is not None]
        values = ([point["epoch"] for point in rows], [point[score] for point in rows])
        panel.plot(*values, color=color, linewidth=1, label=None if number else title)


def _ensure_list(panels) -> list:
    return list(panels) if hasattr(panels, "__len__") else [panels]
