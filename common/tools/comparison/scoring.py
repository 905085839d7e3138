"""Scores of a tool on a list of pairs, kept in a file pair by pair."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from ..results.record import ScoredRow
from .head_pair import HeadPair
from .own_process import Tool, own_process
from .region_pair import RegionPair
from .table import COLUMNS

Pair = RegionPair | HeadPair


def score_pairs(
    make_tool: Callable[[], Tool],
    pairs: Mapping[str, Callable[[], Pair]],
    path: Path,
    name: str,
    title: str,
    num_threads: int = 1,
    overwrite: bool = False,
) -> ScoredRow:
    """Register and score, in a process of the tool's own, the pairs that a row of a file lacks.

    Args:
        make_tool: makes the tool in that process.
        pairs: name → function that makes the pair.
        path: JSON file of the results, whole after each pair.
        name: of the row.
        title: of the row in tables.
        num_threads: of torch and ITK.
        overwrite: start again, whatever the file holds.

    Returns:
        The row.
    """
    with own_process(num_threads) as served:
        settings = served.start(make_tool, num_threads)
        record = ScoredRow(path, name, settings, overwrite, title=title)
        for item, make_pair in pairs.items():
            if not record.has(item):
                pair = make_pair()
                field_mm, costs = served.register(pair.images)
                found = pair.scores(field_mm)
                scores = {score: value for score, value in found.items() if score in COLUMNS} | costs
                record.add(item, scores)
                print(f"{item} {json.dumps(scores)}", flush=True)
    return record
