"""Score registration tools and bundles on one list of pairs, or put the table of the scores into a page.

python scripts/compare.py data/Task04_Hippocampus --tool initial
python scripts/compare.py --table docs/register.md
"""

import json
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fire
import torch

from common.data.subjects import hippocampus_pairs
from common.tools.command_line import run_command
from common.tools.comparison.other_tools import TITLES, TOOLS, tool_settings
from common.tools.comparison.our_tools import BundleTool, RegisterTool
from common.tools.comparison.region_pair import RegionPair
from common.tools.comparison.table import COLUMNS, comparison_table
from common.tools.results.record import ScoredRow, summary
from common.tools.results.tables import replace_tables

RESULTS = Path(__file__).parents[1] / "docs" / "results"


@fire.decorators.SetParseFns(title=str)  # a comma in it makes no list
def compare(
    dataset_dir: str = "",
    tool: str = "initial",
    bundle: str = "",
    ckpt_path: str = "",
    title: str = "",
    part: str = "val",
    num_pairs: int = 50,
    num_threads: int = 1,
    results_dir: str = "",
    overwrite: bool = False,
    refine: int = 0,
    search: int = 0,
    table: str = "",
    **overrides: Any,
) -> None:
    """Register listed pairs with one tool, and write scores and seconds into the file of the list, whole after each.

    Every pair is scored on a centered cube of 64 voxels of 1 mm: moving labels are warped once from their own grid, one
    channel per class, linearly. Dice, 95 % Hausdorff distance in mm, folds and the spread of the Jacobian are written
    per pair; so are the seconds on the clock and those of the processor, all threads together, which do not depend on
    what else it does. The same command again continues where it was stopped; several tools may run at once.

    Args:
        dataset_dir: folder in the Decathlon layout with splits.json and val_pairs.json.
        tool: initial, ants_syn, dipy_syn_cc, convex_adam, sitk_demons; or a name for the results of a bundle.
        bundle: folder of a bundle to score in place of a tool.
        ckpt_path: its weights; empty for its models/model.pt.
        title: of the tool in tables; empty for its name.
        part: val, the pairs of val_pairs.json; or another part of splits.json, such as tune, whose pairs are drawn once
            and for all: to choose settings without looking at val.
        num_pairs: only the first ones.
        num_threads: of torch and ITK.
        results_dir: where the file goes; empty for docs/results.
        overwrite: start again, whatever the file holds.
        refine: iterations on each level of the refinement of scripts/register.py, alone or after the bundle; overrides
            are then settings of it, such as --weight 0.5.
        search: passes of its discrete search, before the refinement or alone.
        table: a Markdown page whose places ``<!-- comparison:LIST -->`` … ``<!-- /comparison -->`` are filled instead.
        **overrides: entries of the bundle's inference.json, such as --num_passes 2; they are kept with the results.
    """
    folder = Path(results_dir or RESULTS)
    if table or not dataset_dir:
        _fill(table, folder)
        return
    if tool in TOOLS and (bundle or refine or search):
        raise ValueError(
            "tool: expected a name for the results of --bundle, --refine or --search, such as --tool refined, got"
            f" {tool!r}, a tool of its own"
        )
    if refine or search:
        torch.set_num_threads(num_threads)
        register = RegisterTool(bundle, ckpt_path, refine, search, **overrides)
        settings = register.settings | {"num_threads": num_threads}
    else:
        register, settings = _tool(tool, bundle, ckpt_path, overrides, num_threads)
    path = folder / f"{Path(dataset_dir).name}-{part}.json"
    record = ScoredRow(path, tool, settings, overwrite, title=title or TITLES.get(tool, tool))
    for number, files in enumerate(hippocampus_pairs(dataset_dir, part, num_pairs)):
        name = f"{files['fixed_subject']} {files['moving_subject']}"
        if record.has(name):
            continue
        row = _scored(RegionPair.read(files), register)
        record.add(name, row)
        print(f"{number:3d} dice {row['dice']:.3f} hd95 {row['hd95_mm']:.2f} mm {row['seconds']:.2f} s", flush=True)
    print(f"{path}, {tool}: {json.dumps(summary(record.rows))}")


def _fill(page: str, folder: Path) -> None:
    """Put tables of the lists that a page names into it."""
    if not page:
        raise ValueError("expected dataset_dir, or --table PAGE, got neither")
    lists = re.findall(r"<!-- comparison:(\S+) -->", Path(page).read_text())
    tables = {name: comparison_table(folder / f"{name}.json") for name in lists if (folder / f"{name}.json").is_file()}
    print(f"{page}: {', '.join(replace_tables(page, tables, marker='comparison')) or 'no place marked'}")


def _tool(
    tool: str, bundle: str, ckpt_path: str, overrides: dict[str, Any], num_threads: int
) -> tuple[Callable, dict[str, Any]]:
    """The function from a pair to its field, and all that determines its results."""
    torch.set_num_threads(num_threads)
    os.environ["ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"] = str(num_threads)
    if bundle:
        register = BundleTool(bundle, ckpt_path, **overrides)
        return register, register.settings | {"num_threads": num_threads}
    if tool not in TOOLS:
        raise ValueError(f"tool: expected one of {', '.join(TOOLS)}, or --bundle, got {tool!r}")
    if overrides or ckpt_path:
        names = ", ".join([*overrides, *(["ckpt_path"] if ckpt_path else [])])
        raise ValueError(f"expected overrides of a bundle's inference.json with --bundle, got {names} without")

    def register(pair: RegionPair) -> torch.Tensor:
        fixed, moving = (x.numpy() for x in pair.padded())
        return pair.field_of(torch.as_tensor(TOOLS[tool](fixed, moving).copy()).movedim(-1, 0).float())

    return register, tool_settings(tool) | {"tool": tool, "num_threads": num_threads}


def _scored(pair: RegionPair, register: Callable) -> dict[str, float]:
    started, processor_started = time.perf_counter(), time.process_time()
    field_mm = register(pair)
    seconds = {
        "seconds": time.perf_counter() - started,
        "processor_seconds": time.process_time() - processor_started,
    }
    if isinstance(register, BundleTool):
        seconds["inferer_seconds"] = register.inferer_seconds
    scores = pair.scores(field_mm)
    return {name: value for name, value in scores.items() if name in COLUMNS} | seconds


if __name__ == "__main__":
    run_command(compare)
