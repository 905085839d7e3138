"""Which similarity ``--similarity auto`` takes, and the error of its choice against that of the other one.

    python scripts/studies/all/similarity_choice.py --data_dir DATA

Every pair is registered by local correlation and by MIND-SSC, at a low resolution. Of one head, limb or abdomen one
image is under a known warp, and the error is that of the field in mm; of two heads it is one minus the correlation of
their T1 images under the field, of two hippocampi one minus Dice. Heads of two subjects are aligned by an affine map of
their T1 images, the CT and T1 of the limb by one of their own. The bound LEAST_AGREEMENT of
common/registration/contrast.py was chosen on stroke01, ms07 and ms19 and on tune pairs of the hippocampus: pairs of
these heads are rows of their own.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from itertools import combinations_with_replacement, product
from pathlib import Path
from typing import Any

import torch
from case_lines import CaseLines
from monai.data import MetaTensor
from tqdm import tqdm
from verdict_cases import Case, Plan, coarse_file, region_case, through_contrast, warped_case

from common.data.layouts.multi_contrast import multi_contrast_subjects
from common.methods.mine_voxelmorph.known_warp import WarpSize
from common.registration.affine import align
from common.registration.contrast import LEAST_AGREEMENT, contrast_of
from common.registration.greedy import GreedyRefinement, refine_greedily
from common.tools.command_line import run_command
from common.world.alignment import aligned, initial_alignment
from common.world.grid import Grid, on_grid
from common.world.maps import WorldMap, affine_after_field

RESULTS = Path(__file__).parents[3] / "docs" / "results"
CONTRASTS = ("T1", "T2", "FLAIR")
HEAD_MM, LIMB_MM, ABDOMEN_MM = 4.0, 3.0, 5.0
HEAD_WARP, LIMB_WARP = WarpSize(6.0, 18.0, 24.0, 6.0), WarpSize(4.0, 12.0, 16.0, 4.0)
NUM_REGIONS = 4
NEW_HEADS = {"ms26", "lgg6692"}  # that LEAST_AGREEMENT was not chosen on
HEAD_PAIRS = (("ms26", "lgg6692"), ("lgg6692", "ms26"), ("ms26", "ms07"))
SIMILARITIES = ("lncc", "mind")


def similarity_choice(data_dir: str, results_dir: str = "", table_only: bool = False) -> None:
    """Register all pairs by both similarities, keep the errors and print a table.

    Args:
        data_dir: folder that holds MultiContrastBrain, Task04_Hippocampus, AbdomenCT and LimbCTMR.
        results_dir: where similarity_choice.json goes; empty for docs/results.
        table_only: print the table of what has been measured.
    """
    lines = CaseLines(Path(results_dir or RESULTS, "similarity_choice.json"), ("kind", "name"))
    new_first = sorted(plans(Path(data_dir)), key=lambda plan: "seen" in plan.kind)
    for plan in tqdm([] if table_only else new_first, disable=None):
        if not lines.has(plan.kind, plan.name):
            lines.add({"kind": plan.kind, "name": plan.name} | compared(plan.make()))
    print(table(lines.rows))


def compared(case: Case) -> dict[str, float]:
    """Errors by both similarities, the agreement of the pair, and the error before, in three digits."""
    place = case.options.get("place", torch.eye(4, dtype=torch.float64))
    moving, grid = aligned(case.moving, place), Grid.from_image(case.fixed)
    scores = {"agreement": contrast_of(case.fixed, moving).agreement}
    for similarity in SIMILARITIES:
        field_mm = refine_greedily(case.fixed, moving, None, GreedyRefinement(60, similarity))
        field = on_grid(affine_after_field(place, field_mm, grid), grid, like=case.fixed)
        scores["before"], scores[similarity] = case.error(WorldMap(case.fixed, case.moving, field, place, place))
    return {name: float(f"{value:.3g}") for name, value in scores.items() if value == value}


def plans(data_dir: Path) -> Iterator[Plan]:
    """All pairs of contrasts of one head and of two, limbs, abdomens and hippocampi."""
    folder = data_dir / "Task04_Hippocampus"
    for pair in json.loads((folder / "val_pairs.json").read_text(encoding="utf-8"))["pairs"][:NUM_REGIONS]:
        yield Plan("two hippocampi, T1-T1", " ".join(pair), partial(hippocampus, folder, pair))
    heads = {
        subject["subject"]: {name: partial(coarse_file, Path(subject[name]), HEAD_MM) for name in CONTRASTS}
        for subject in multi_contrast_subjects(str(data_dir / "MultiContrastBrain"), CONTRASTS)
    }
    for number, (name, head) in enumerate(heads.items()):
        for k, pair in enumerate(combinations_with_replacement(CONTRASTS, 2)):
            read = [head[contrast] for contrast in pair[:: (-1) ** number]]  # every second head in the other order
            make = partial(warped_case, *read, seed=100 * number + k, size=HEAD_WARP)
            yield Plan(f"one{_seen(name)} head, {'-'.join(pair)}", name, make)
    limb = {name: partial(coarse_file, data_dir / f"LimbCTMR/sts002/{name}.nii.gz", LIMB_MM) for name in ("CT", "T1")}
    for k, pair in enumerate(product(limb, repeat=2)):
        make = partial(limb_case, limb[pair[0]], limb[pair[1]], seed=k)
        yield Plan(f"one limb, {'-'.join(pair)}", "sts002", make)
    for k, name in enumerate(("CRLM-CT-1004", "CRLM-CT-1006", "totalseg_example_ct")):
        read = partial(coarse_file, data_dir / f"AbdomenCT/{name}_3mm.nii.gz", ABDOMEN_MM)
        yield Plan("one abdomen, CT-CT", name, partial(warped_case, read, read, seed=k, size=HEAD_WARP))
    for number, (name, other) in enumerate(HEAD_PAIRS):
        for pair in combinations_with_replacement(CONTRASTS, 2):
            make = partial(two_heads, heads[name], heads[other], pair[:: (-1) ** number])
            yield Plan(f"two{_seen(name, other)} heads, {'-'.join(pair)}", f"{name} {other}", make)


def _seen(*heads: str) -> str:
    return "" if NEW_HEADS.issuperset(heads) else " seen"


def hippocampus(folder: Path, pair: Sequence[str]) -> Case:
    """Regions of two subjects, their centers on each other."""
    case = region_case(folder, pair, {})
    case.options["place"] = initial_alignment("center", case.fixed, case.moving)
    return case


def limb_case(read_fixed: Callable[[], MetaTensor], read_moving: Callable[[], MetaTensor], seed: int) -> Case:
    """Images of one limb, two contrasts of which do not lie in one frame, under a known warp."""

    def in_place() -> MetaTensor:
        fixed, moving = read_fixed(), read_moving()
        return moving if read_fixed == read_moving else aligned(moving, _affine(fixed, moving))

    return warped_case(read_fixed, in_place, seed=seed, size=LIMB_WARP)


def two_heads(first: dict[str, Callable], second: dict[str, Callable], contrasts: Sequence[str]) -> Case:
    """Contrasts of two heads, aligned by their T1 images."""
    fixed, other = first["T1"](), second["T1"]()
    error = through_contrast(fixed, other)
    place = {"place": _affine(fixed, other)}
    return Case(first[contrasts[0]](), second[contrasts[1]](), error, "1 - correlation", place)


@cache
def _affine(fixed: MetaTensor, moving: MetaTensor) -> torch.Tensor:
    return align(fixed, moving, initial_alignment("center", fixed, moving), "affine").matrix


def table(rows: list[dict[str, Any]]) -> str:
    """One line per kind of pair: agreement, choices, and mean errors before, by both, by the choice, by the better."""
    kinds: dict[str, list[dict]] = {}
    for row in rows:
        kinds.setdefault(row["kind"], []).append(row)
    lines = [
        "| pairs | agreement | LNCC is taken | error before | LNCC | MIND-SSC | auto | the better of each pair |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for kind, group in sorted(kinds.items()):
        values = [row.get("agreement", float("nan")) for row in group]
        taken = ["lncc" if value >= LEAST_AGREEMENT else "mind" for value in values]
        columns = [[row[name] for row in group] for name in ("before", *SIMILARITIES)]
        columns.append([row[name] for row, name in zip(group, taken, strict=True)])
        columns.append([min(row["lncc"], row["mind"]) for row in group])
        means = " | ".join(f"{sum(column) / len(column):.3g}" for column in columns)
        lines.append(
            f"| {kind} | {min(values):.2f} to {max(values):.2f} | {taken.count('lncc')} of {len(group)} | {means} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    run_command(similarity_choice)
