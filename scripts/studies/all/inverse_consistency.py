"""Whether a registration of the other direction tells wrong results, on the cases of the verdict's calibration.

    python scripts/studies/all/inverse_consistency.py --data_dir DATA --part choose
    python scripts/studies/all/inverse_consistency.py --data_dir DATA --part score

Each result φ is followed by a second registration ψ of small copies with the roles exchanged, by MIND-SSC, from the
same affine map: where both are right, ψ(φ(p)) is p. The bound of the distance is the one with the fewest faults on the
first part. It is tried alone, beside the measures of the verdict, and in place of one of them at a time.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from case_lines import CaseLines
from tqdm import tqdm
from verdict_calibration import PARTS, RESULTS, RIGHT, WRONG, registered
from verdict_cases import plans

from common.registration.contrast import COARSE
from common.registration.greedy import refine_greedily
from common.registration.registrar import Registrar
from common.registration.result import Registration
from common.registration.small_pair import SmallPair, on_small_grid
from common.tools.command_line import run_command
from common.words import one_of
from common.world.alignment import aligned
from common.world.chain import Chain, FieldMap, LinearMap
from common.world.grid import Grid

KEY = ("part", "kind", "name")


def inverse_consistency(data_dir: str, part: str = "score", results_dir: str = "", table_only: bool = False) -> None:
    """Measure all cases of a part, keep a line of each and print the faults of both parts with the measure.

    Args:
        data_dir: folder that holds MultiContrastBrain, Task04_Hippocampus, AbdomenCT and LimbCTMR.
        part: choose or score.
        results_dir: of verdict.json, and where the file goes; empty for docs/results.
        table_only: print the table of what has been measured.
    """
    one_of("part", part, PARTS)
    folder = Path(results_dir or RESULTS)
    lines = CaseLines(folder / "inverse_consistency.json", KEY)
    registrars: dict[str, Registrar] = {}
    for plan in tqdm([] if table_only else list(plans(Path(data_dir), part)), desc=part, disable=None):
        if not lines.has(part, plan.kind, plan.name):
            found = float(f"{inconsistency(registered(plan.make(), registrars)):.3g}")
            lines.add({"part": part, "kind": plan.kind, "name": plan.name, "inconsistency": found})
    measured = {tuple(row[name] for name in KEY): row["inconsistency"] for row in lines.rows}
    rows = CaseLines(folder / "verdict.json", KEY).rows
    print(table([row | {"inconsistency": measured.get(tuple(row[name] for name in KEY))} for row in rows]))


def inconsistency(found: Registration) -> float:
    """Mean |ψ(φ(p)) − p| over the foreground of the fixed image, as a share of that image's longest edge.

    Points that φ brings out of the moving image are left out; 1 where none is left.
    """
    fixed, moving, _ = on_small_grid(found.fixed, aligned(found.moving, found.affine))
    back = FieldMap(refine_greedily(moving, fixed, None, COARSE), Grid.from_image(moving))
    pair = SmallPair.read(found.fixed, found.moving, found.field.as_tensor())
    points = pair.grid.voxel_to_world((pair.foreground & pair.inside)[0, 0].nonzero())
    if not len(points):
        return 1.0
    there = Chain((FieldMap(found.field.as_tensor(), found.grid), LinearMap(found.affine).inverse(), back))
    return (there.move_points(points) - points).norm(dim=1).mean().item() / max(pair.grid.edges_mm)


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Bound, false alarms and misses of both parts, for each set of the verdict's reasons beside the measure.

    Args:
        rows: cases of verdict.json with ``inconsistency``, None where it has not been measured.
    """
    rows = [row for row in rows if row["inconsistency"] is not None]
    parts = {part: [row for row in rows if row["part"] == part] for part in PARTS}
    reasons = sorted({reason for row in rows for reason in row["reasons"]})
    kept = {"the verdict alone": reasons, "the measure alone": [], "both": reasons}
    kept |= {f"in place of {reason}": [other for other in reasons if other != reason] for reason in reasons}
    lines = [
        "| flagged by | bound | choose: false alarms | misses | score: false alarms | misses |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for name, others in kept.items():
        bound = float("inf") if name == "the verdict alone" else best_bound(parts["choose"], others)
        counts = [str(count) for part in PARTS for count in faults(parts[part], others, bound)]
        lines.append(f"| {name} | {bound:.3g} | {' | '.join(counts)} |")
    return "\n".join(lines)


def best_bound(rows: Sequence[dict[str, Any]], reasons: Sequence[str]) -> float:
    """The measure of one of the cases, or infinity, that has the fewest faults as a bound; the largest of several.

    Example:
        >>> cases = [{"is": word, "reasons": [], "inconsistency": value} for word, value in zip(
        ...     ("right", "right", "wrong", "right", "wrong"), (0.1, 0.2, 0.3, 0.4, 0.5))]
        >>> best_bound(cases, [])
        0.4
    """
    bounds = [float("inf"), *(row["inconsistency"] for row in rows)]
    return min(bounds, key=lambda bound: (sum(faults(rows, reasons, bound)), -bound))


def faults(rows: Sequence[dict[str, Any]], reasons: Sequence[str], bound: float) -> tuple[int, int]:
    """False alarms and misses where these reasons and values above a bound flag a result."""
    flagged = [row["inconsistency"] > bound or not set(reasons).isdisjoint(row["reasons"]) for row in rows]
    cases = list(zip(rows, flagged, strict=True))
    alarms = sum(is_flagged and row["is"] == RIGHT for row, is_flagged in cases)
    return alarms, sum(not is_flagged and row["is"] == WRONG for row, is_flagged in cases)


if __name__ == "__main__":
    run_command(inverse_consistency)
