"""Wilcoxon's signed-rank test on the scores that stage_curve.py keeps pair by pair; registers nothing.

python scripts/studies/cyclical_self_training/signed_ranks.py --reference "stage 7"
"""

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

from common.tools.command_line import run_command
from common.tools.results.record import read_rows
from common.tools.results.tables import markdown_table
from common.tools.results.wilcoxon import p_text, signed_rank_p

RESULTS = Path(__file__).parents[3] / "bundles" / "cyclical_self_training" / "docs" / "results" / "stage_curve_val.json"
SETTINGS = {
    "one_solve": "one solve",
    "one_warp_adam": "one warp and Adam",
    "two_warps": "two warps",
    "two_warps_adam": "two warps and Adam",
    "two_warps_adam_refined": "two warps, Adam and images",
}
FULL = "two_warps_adam"  # the paper's test configuration


def signed_ranks(reference: str, results: str = "") -> str:
    """Two tables: the test configurations of one row against the paper's, and every other row against that row.

    Args:
        reference: name of a row, such as "stage 7".
        results: JSON of stage_curve.py; empty for docs/results/stage_curve_val.json of the bundle.

    Raises:
        ValueError: for a row that the file lacks.
    """
    rows = {name: row["pairs"] for name, row in read_rows(results or RESULTS).items() if "pairs" in row}
    if reference not in rows:
        raise ValueError(f"reference: expected one of {', '.join(rows)}, got {reference!r}")
    own = rows.pop(reference)
    configurations = [
        [title, f"{statistics.fmean(own[name]):.3f}", "–" if name == FULL else _p(own[name], own[FULL])]
        for name, title in SETTINGS.items()
    ]
    others = [[name, *(_p(row[setting], own[setting]) for setting in SETTINGS)] for name, row in rows.items()]
    return "\n\n".join(
        [
            markdown_table([reference, "Dice", f"p against {SETTINGS[FULL]}"], configurations),
            markdown_table([f"p against {reference}", *SETTINGS.values()], others),
        ]
    )


def _p(scores: Sequence[float], others: Sequence[float]) -> str:
    return p_text(signed_rank_p(_numbered(scores), _numbered(others)))


def _numbered(scores: Sequence[float]) -> Mapping[str, float]:
    return {str(number): score for number, score in enumerate(scores)}


if __name__ == "__main__":
    run_command(signed_ranks)
