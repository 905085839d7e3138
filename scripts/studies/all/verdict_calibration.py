"""How often the verdict about a registration is right, on real pairs left intact and spoilt on purpose.

    python scripts/studies/all/verdict_calibration.py --data_dir DATA --part choose
    python scripts/studies/all/verdict_calibration.py --data_dir DATA --part score

The bounds in common/registration/verdict.py were chosen on the first part and are scored on the second; no subject is
in both. Labels and known warps only tell which results are right. A result is wrong where its error is above nine
tenths of that before or above two voxels of a known warp, or where Dice is below 0.5 or below that before; it is right
where its error is at most three fourths of that before and at most 1.25 voxels of a known warp, or where Dice is at
least 0.6 and that before. What lies between is not counted.
"""

from collections import Counter
from pathlib import Path
from typing import Any

from case_lines import CaseLines
from tqdm import tqdm
from verdict_cases import Case, Plan, plans

from common.metrics.regularity import determinant_of_field_mm
from common.registration.evidence import evidence
from common.registration.greedy import GreedyRefinement
from common.registration.registrar import Registrar
from common.registration.result import Registration
from common.registration.verdict import verdict_of
from common.tools.command_line import run_command
from common.words import one_of

RESULTS = Path(__file__).parents[3] / "docs" / "results"
PARTS = ("choose", "score")
RIGHT, WRONG, BETWEEN = "right", "wrong", "between"
SHARES = {  # of the error before
    "mm": {RIGHT: 0.75, WRONG: 0.9},
    "1 - Dice": {RIGHT: 1.0, WRONG: 1.0},
    "1 - correlation": {RIGHT: 0.75, WRONG: 0.9},
}
LIMITS = {"mm": {RIGHT: 1.25, WRONG: 2.0}, "1 - Dice": {RIGHT: 0.4, WRONG: 0.5}, "1 - correlation": {}}
MEASURES = (  # that the bounds look at
    "folding_fraction",
    "mind_initial",
    "mind_after",
    "mind_chance",
    "mind_aligned",
    "mind_mirrored",
    "left_mm",
    "spacing_mm",
    "coverage",
    "jacobian_1_percent",
)


def verdict_calibration(data_dir: str, part: str = "score", results_dir: str = "", table_only: bool = False) -> None:
    """Register all cases of a part, keep a line of each and print how often the verdict is right.

    Args:
        data_dir: folder that holds MultiContrastBrain, Task04_Hippocampus, AbdomenCT and LimbCTMR.
        part: choose or score.
        results_dir: where the file goes; empty for docs/results.
        table_only: print the table of what has been measured, graded by the bounds of now.
    """
    one_of("part", part, PARTS)
    lines = CaseLines(Path(results_dir or RESULTS, "verdict.json"), ("part", "kind", "name"))
    registrars: dict[str, Registrar] = {}
    for plan in tqdm([] if table_only else list(plans(Path(data_dir), part)), desc=part, disable=None):
        if not lines.has(part, plan.kind, plan.name):
            lines.add({"part": part} | measured(plan, registrars))
    lines.replace(graded(row) for row in lines.rows)
    print(table([row for row in lines.rows if row["part"] == part]))


def measured(plan: Plan, registrars: dict[str, Registrar]) -> dict[str, Any]:
    """Register a case: its error before and after, the verdict and the measures that led to it, in three digits."""
    case = plan.make()
    registration = registered(case, registrars)
    before, after = case.error(registration)
    determinant = determinant_of_field_mm(registration.field.as_tensor(), registration.grid)
    found = evidence(registration, determinant)
    measures = {name: _rounded(found[name]) for name in MEASURES if found[name] == found[name]}
    truth = {"before": _rounded(before), "after": _rounded(after), "is": judged(case, before, after)}
    doubts = [_subject(doubt) for doubt in registration.doubts]
    return graded({"kind": plan.kind, "name": plan.name, **truth, "doubts": doubts, "measures": measures})


def registered(case: Case, registrars: dict[str, Registrar]) -> Registration:
    """The result of a case; registrars are kept by their settings."""
    settings = {"refinement": GreedyRefinement(60, "auto"), "device": "cpu"} | case.options
    key = str(settings)
    if key not in registrars:
        registrars[key] = Registrar(**settings)
    return registrars[key](case.fixed, case.moving)


def judged(case: Case, before: float, after: float) -> str:
    """Whether a result is right or wrong by what only the study knows, or between."""
    voxel = case.fixed.pixdim.max().item() if case.unit == "mm" else 1.0
    shares, limits = SHARES[case.unit], LIMITS[case.unit]

    def within(grade: str) -> bool:
        return after <= shares[grade] * before and after <= limits.get(grade, float("inf")) * voxel

    return RIGHT if within(RIGHT) else BETWEEN if within(WRONG) else WRONG


def graded(row: dict[str, Any]) -> dict[str, Any]:
    """A line with the grade that its measures have now, and what the reasons are about."""
    verdict = verdict_of(row["measures"], doubts=row["doubts"])
    reasons = list(dict.fromkeys(_subject(reason) for reason in verdict.reasons))
    return row | {"grade": verdict.grade, "reasons": reasons}


def _subject(reason: str) -> str:
    return reason.split(":")[0]


def _rounded(value: float) -> float:
    return float(f"{value:.3g}")


def table(rows: list[dict[str, Any]]) -> str:
    """Results, false alarms and misses of each kind of case and each body; then the names of both faults."""
    counts: dict[str, Counter] = {}
    faults = []
    for row in rows:
        is_flagged = row["grade"] != "good"
        is_fault = row["is"] == (RIGHT if is_flagged else WRONG)
        for key in ("all", row["kind"], f"of these, {body(row['name'])}"):
            counts.setdefault(key, Counter()).update([row["is"]] + [f"{row['is']}, fault"] * is_fault)
        if is_fault:
            faults.append(f"{'false alarm' if is_flagged else 'miss'}: {row['kind']}: {row['name']} {row['reasons']}")
    names = (RIGHT, f"{RIGHT}, fault", WRONG, f"{WRONG}, fault", BETWEEN)
    lines = ["| cases | right | flagged | wrong | not flagged | between |", "|---|---:|---:|---:|---:|---:|"]
    lines += [
        f"| {key} | {' | '.join(str(count[name]) for name in names)} |"
        for key, count in sorted(counts.items(), key=_order)
    ]
    return "\n".join([*lines, "", *faults])


def _order(item: tuple[str, Counter]) -> tuple[bool, bool, str]:
    key = item[0]
    return key != "all", key.startswith("of these"), key


def body(name: str) -> str:
    """What a pair shows."""
    bodies = {"hippocampus": "hippocampus", "limb": "limb", "CRLM": "abdomen", "totalseg": "abdomen"}
    return next((body for start, body in bodies.items() if name.startswith(start)), "head")


if __name__ == "__main__":
    run_command(verdict_calibration)
