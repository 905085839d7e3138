"""Score registration tools and bundles on one list of pairs, or put the table of the scores into a page.

python scripts/compare.py data/Task04_Hippocampus --tool initial
python scripts/compare.py data/MultiContrastBrain --contrasts T1,FLAIR --tool ants_syn
python scripts/compare.py --table docs/register.md
"""

import json
import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from common.data.subjects import hippocampus_pairs
from common.tools.command_line import run_command
from common.tools.comparison.head_pair import HeadPair, warped_heads
from common.tools.comparison.other_tools import METHODS, OtherTool
from common.tools.comparison.our_tools import BundleTool, RegisterTool
from common.tools.comparison.own_process import Tool
from common.tools.comparison.region_pair import RegionPair
from common.tools.comparison.scoring import score_pairs
from common.tools.comparison.table import comparison_table
from common.tools.results.record import summary
from common.tools.results.tables import replace_tables

RESULTS = Path(__file__).parents[1] / "docs" / "results"


def compare(
    dataset_dir: str = "",
    tool: str = "initial",
    bundle: str = "",
    ckpt_path: str = "",
    title: str = "",
    part: str = "val",
    contrasts: Sequence[str] = (),
    num_pairs: int = 50,
    num_threads: int = 1,
    repeat: int = 1,
    results_dir: str = "",
    overwrite: bool = False,
    effort: str = "",
    refine: int = 0,
    search: int = 0,
    init: str = "",
    table: str = "",
    **overrides: Any,
) -> None:
    """Register listed pairs with one tool, and write scores and seconds into the file of the list, whole after each.

    A pair of regions is scored on a centered cube of 64 voxels of 1 mm: moving labels are warped once from their own
    grid, one channel per class, linearly; Dice, 95 % Hausdorff distance in mm, folds and the spread of the Jacobian are
    written per pair. With --contrasts the pairs are heads under known warps, and errors in mm inside the head come
    first. The tool has a process of its own; its seconds on the clock, those of the processor, all threads together,
    which do not depend on what else it does, and its peak of memory are written too. The same command again continues
    where it was stopped; several tools may run at once.

    Args:
        dataset_dir: folder in the Decathlon layout with splits.json and val_pairs.json; with --contrasts one in the
            multi-contrast layout, or of one labeled scan.
        tool: initial, ants_syn, greedy_ncc, convex_adam_default, …; or a name for the results of one of ours.
        bundle: folder of a bundle to score in place of a tool.
        ckpt_path: its weights; empty for its models/model.pt.
        title: of the tool in tables; empty for its name.
        part: val, the pairs of val_pairs.json; or another part of splits.json, such as tune, whose pairs are drawn once
            and for all: to choose settings without looking at val.
        contrasts: of fixed and moving image, such as T1,FLAIR.
        num_pairs: only the first ones.
        num_threads: of torch and ITK; other than one, the file is one of its own.
        repeat: which time it is, counted from 1; each time is an item of its own.
        results_dir: where the file goes; empty for docs/results.
        overwrite: start again, whatever the file holds.
        effort: of scripts/register.py: fast, normal or best, alone or after the bundle; --similarity mind beside it.
        refine: iterations on each level of the refinement by Adam of scripts/register.py, alone or after the bundle;
            overrides are then settings of it, such as --weight 0.5.
        search: passes of its discrete search, before the refinement or alone.
        init: where these begin: world, center or moments; empty for center with regions and no bundle, else for world.
        table: a Markdown page whose places ``<!-- comparison:LIST -->`` … ``<!-- /comparison -->`` are filled instead;
            LIST@ROW adds p of Wilcoxon's signed-rank test against that row, LIST@best against the best one.
        **overrides: entries of the bundle's inference.json, such as --num_passes 2; they are kept with the results.
    """
    folder = Path(results_dir or RESULTS)
    if table or not dataset_dir:
        _fill(table, folder)
        return
    if tool in METHODS and (bundle or effort or refine or search):
        raise ValueError(
            "tool: expected a name for the results of --bundle, --effort, --refine or --search, such as --tool normal,"
            f" got {tool!r}, a tool of its own"
        )
    if init and not (effort or refine or search):
        raise ValueError(f"init: expected --effort, --refine or --search beside it, got {init!r} alone")
    if effort or refine or search:
        init = init or ("world" if bundle or contrasts else "center")
        steps = {"effort": effort, "refine": refine, "search": search}
        make_tool = partial(RegisterTool, bundle, ckpt_path, init, **steps, **overrides)
    else:
        make_tool = _tool(tool, bundle, ckpt_path, overrides)
    pairs = _pairs(dataset_dir, part, contrasts, num_pairs, repeat)
    name = "-".join([Path(dataset_dir).name, *contrasts, part, *([f"{num_threads}_threads"] * (num_threads > 1))])
    path = folder / f"{name}.json"
    record = score_pairs(make_tool, pairs, path, tool, title or _title(tool), num_threads, overwrite)
    print(f"{record.path}, {tool}: {json.dumps(summary(record.rows))}")


def _title(tool: str) -> str:
    return METHODS[tool].title if tool in METHODS else tool


def _pairs(
    dataset_dir: str, part: str, contrasts: Sequence[str], num_pairs: int, repeat: int
) -> dict[str, Callable[[], RegionPair | HeadPair]]:
    """Name → function that makes the pair."""
    if contrasts:
        pairs = warped_heads(dataset_dir, contrasts, part)
    else:
        listed = hippocampus_pairs(dataset_dir, part, num_pairs)
        pairs = {f"{x['fixed_subject']} {x['moving_subject']}": partial(RegionPair.read, x) for x in listed}
    suffix = "" if repeat == 1 else f" #{repeat}"
    return {name + suffix: pairs[name] for name in list(pairs)[:num_pairs]}


def _fill(page: str, folder: Path) -> None:
    """Put tables of the lists that a page names into it."""
    if not page:
        raise ValueError("expected dataset_dir, or --table PAGE, got neither")
    tables = {}
    for place in re.findall(r"<!-- comparison:(\S+) -->", Path(page).read_text(encoding="utf-8")):
        name, _, against = place.partition("@")
        if (folder / f"{name}.json").is_file():
            tables[place] = comparison_table(folder / f"{name}.json", against)
    print(f"{page}: {', '.join(replace_tables(page, tables, marker='comparison')) or 'no place marked'}")


def _tool(tool: str, bundle: str, ckpt_path: str, overrides: dict[str, Any]) -> Callable[[], Tool]:
    """What makes a tool of others, or of a bundle."""
    if bundle:
        return partial(BundleTool, bundle, ckpt_path, **overrides)
    if tool not in METHODS:
        raise ValueError(f"tool: expected one of {', '.join(METHODS)}, or --bundle, got {tool!r}")
    if overrides or ckpt_path:
        names = ", ".join([*overrides, *(["ckpt_path"] if ckpt_path else [])])
        raise ValueError(f"expected overrides of a bundle's inference.json with --bundle, got {names} without")
    return partial(OtherTool, tool)


if __name__ == "__main__":
    run_command(compare)
