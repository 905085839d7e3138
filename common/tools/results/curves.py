"""Scores over the epochs of a training, read from its run and drawn for a card."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from monai.utils import optional_import

from ...files import write_atomically
from .record import columns


def read_convergence(output_dir: Path) -> dict[str, list]:
    """What :class:`~common.training.records.Convergence` wrote in the folder of a run, a list per score; or nothing."""
    path = Path(output_dir) / "convergence.json"
    return columns(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}


def draw_convergence(
    table: Mapping[str, Any], results: Mapping[tuple[str, str], Sequence[Mapping[str, Any]]], path: Path
) -> Path:
    """One panel per data set and score in ``table["curves"]``, one color per row, one line per seed.

    The axis of a score is logarithmic where its values are positive and differ by more than a factor of 20. Data
    sets without a finished training are left out.

    Args:
        table: declaration, see :func:`~.cells.read_table`; "curves" maps a score of the validations to
            the label of its axis.
        results: (data set, row) → results of the finished seeds, with "convergence".
        path: SVG file to write.

    Returns:
        ``path``.
    """
    pyplot, _ = optional_import("matplotlib.pyplot")
    runs = {key: _runs(found) for key, found in results.items()}
    datasets = [name for name in table["datasets"] if any(runs.get((name, row)) for row in table["rows"])]
    size = len(datasets), len(table["curves"])
    with pyplot.rc_context({"svg.hashsalt": "convergence", "font.size": 8}):
        figure, panels = pyplot.subplots(*size, figsize=(3.6 * size[1], 2.6 * size[0]), squeeze=False)
        for line, dataset in zip(panels, datasets, strict=True):
            own = {row: runs.get((dataset, row), []) for row in table["rows"]}
            for panel, (score, label) in zip(line, table["curves"].items(), strict=True):
                _draw_panel(panel, table, own, score)
                panel.set(xlabel="epoch", ylabel=label)
                panel.set_title(table["datasets"][dataset].get("title", dataset), fontsize=8)
        figure.tight_layout()
        write_atomically(path, lambda stream: figure.savefig(stream, format="svg", metadata={"Date": None}))
        pyplot.close(figure)
    return path


def _runs(results: Sequence[Mapping[str, Any]]) -> list[dict[str, list]]:
    return [result["convergence"] for result in results if result.get("convergence")]


def _draw_panel(panel, table: Mapping[str, Any], runs: Mapping[str, list[dict[str, list]]], score: str) -> None:
    """All rows of a data set; a color belongs to its row, whether or not the rows before it were run."""
    drawn = []
    for color, (row, own) in enumerate(runs.items()):
        for number, run in enumerate(own):
            pairs = zip(run["epoch"], run.get(score, []), strict=False)
            points = [(epoch, value) for epoch, value in pairs if value is not None]
            values = [value for _, value in points]
            title = None if number else table["rows"][row].get("title", row)
            panel.plot([epoch for epoch, _ in points], values, color=f"C{color}", linewidth=1, label=title)
            drawn += values
    if drawn and min(drawn) > 0 and max(drawn) > 20 * min(drawn):
        panel.set_yscale("log")
    if any(runs.values()):
        panel.legend(frameon=False)
