"""Errors of the features, of other similarities and of other tools on one list of pairs under known warps.

    python scripts/studies/any_contrast/feature_warps.py --data_dir data --task T1-T2 --tool features
    python scripts/studies/any_contrast/feature_warps.py --data_dir data --task T1-T2 --tool ants_syn
    python scripts/studies/any_contrast/feature_warps.py --table True

The same command again continues. No training of the bundle sees a head or an abdomen of these lists.
"""

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import torch
from monai.data import MetaTensor

from common.data.volume import read_volume
from common.methods.mine_voxelmorph.known_warp import KnownWarpPairs
from common.registration.greedy import FEATURES, GreedyRefinement
from common.tools.command_line import run_command
from common.tools.comparison.head_pair import VAL_SUBJECTS, HeadPair, warped_heads
from common.tools.comparison.other_tools import METHODS, OtherTool
from common.tools.comparison.our_tools import RegisterTool
from common.tools.comparison.own_process import Tool
from common.tools.comparison.scoring import score_pairs
from common.tools.results.record import means, read_rows, rows_of
from common.tools.results.tables import markdown_table
from common.words import one_of
from common.world.grid import Grid, on_grid

RESULTS = Path(__file__).parents[3] / "bundles" / "any_contrast" / "docs" / "results"
HEADS = VAL_SUBJECTS  # of which no training and no choice has seen anything
ABDOMEN = "abdomen"
ABDOMEN_MM, ABDOMEN_WARP_MM = 3.0, 6.0  # voxels, and mean length of the warp; at most three times that
SOFT_HU = (-300.0, 700.0)  # window of a CT; what is below is no body
GAMMA = 0.5
FINEST_MM = 2.0  # voxels of the solver's finest level
TITLES = {
    "features": "any_contrast",
    "mind": "MIND-SSC",
    "lncc": "LNCC",
    "mi": "MI, by Adam",
}
SEED = 0


def feature_warps(
    data_dir: str = "",
    task: str = "T1-T2",
    tool: str = "features",
    bundle: str = "any_contrast",
    ckpt_path: str = "",
    heads: Sequence[str] = HEADS,
    name: str = "",
    results_dir: str = "",
    overwrite: bool = False,
    table: bool = False,
) -> None:
    """Register the pairs of a task with one tool, or print the table of all tasks.

    Args:
        data_dir: folder that holds MultiContrastBrain, BrainT1Labels and AbdomenCT.
        task: contrasts of a head, such as T1-FLAIR; T1-inverted, T1-gamma; labels-inverted, labels-gamma, labels-T1 of
            the labeled head; abdomen, CT.
        tool: features, mind, lncc, mi, or one of scripts/compare.py such as ants_syn or greedy_nmi.
        bundle: name or folder of the bundle of features.
        ckpt_path: its weights; empty for its own.
        heads: of MultiContrastBrain, of the tasks that are about one; stroke01 and ms07 to choose settings.
        name: of the row; empty for the tool.
        results_dir: empty for the bundle's docs/results.
        overwrite: start again.
        table: print errors and Dice of all tasks, from what has been measured.
    """
    folder = Path(results_dir or RESULTS)
    if table:
        print(table_of(folder))
        return
    make_tool = _tool(tool, bundle, ckpt_path)
    title = TITLES.get(tool) or METHODS[tool].title
    heads = tuple(heads.split(",") if isinstance(heads, str) else heads)
    pairs = pairs_of(Path(data_dir), task, heads)
    path = folder / f"feature_warps-{'-'.join([task, *(heads if heads != HEADS else ())])}.json"
    record = score_pairs(make_tool, pairs, path, name or tool, title, overwrite=overwrite)
    print(f"{path}, {name or tool}: {json.dumps(means(record.rows))}")


def pairs_of(data_dir: Path, task: str, heads: Sequence[str] = HEADS) -> dict[str, Callable[[], HeadPair]]:
    """Name → function that makes the pair."""
    if one_of("task", task, TASKS) == ABDOMEN:
        return {task: partial(_abdomen, data_dir)}
    if task.startswith("labels-"):
        return {task: partial(_changed, data_dir, task.removeprefix("labels-"))}
    first, second = task.split("-")
    if second in CHANGES:
        pairs = _heads(data_dir, [first, first], heads)
        return {name: partial(_changed_head, make, second) for name, make in pairs.items()}
    return _heads(data_dir, [first, second], heads)


def inverted(image: MetaTensor) -> MetaTensor:
    """Bright and dark exchanged where there is tissue; the background stays.

    Example:
        >>> inverted(MetaTensor(torch.tensor([[[[0.0, 0.25, 1.0]]]]))).tolist()
        [[[[0.0, 0.75, 0.0]]]]
    """
    return on_grid(torch.where(image.as_tensor() > 0, 1 - image.as_tensor(), 0.0), Grid.from_image(image), like=image)


def gamma(image: MetaTensor) -> MetaTensor:
    """Intensities in [0, 1] to the power of one half."""
    return on_grid(image.as_tensor() ** GAMMA, Grid.from_image(image), like=image)


CHANGES: dict[str, Callable[[MetaTensor], MetaTensor]] = {"inverted": inverted, "gamma": gamma}


def table_of(folder: Path) -> str:
    """Error in mm, Dice where there are labels, share of folds and mean processor seconds of every task and tool."""
    lines = []
    for path in sorted(folder.glob("feature_warps-*.json")):
        for row in read_rows(path).values():
            scores = rows_of(row["scores"])
            mean = means(scores)
            dice = f"{mean['dice']:.3f}" if "dice" in mean else ""
            cells = f"{mean['error_mm']:.3f}", dice, f"{100 * mean['folding_fraction']:.4f}"
            task = path.stem.removeprefix("feature_warps-")
            lines.append([task, row["title"], len(scores), *cells, f"{mean['processor_seconds']:.0f}"])
    titles = ["pairs", "compared by", "number", "error (mm)", "Dice", "folds (%)", "processor seconds"]
    return markdown_table(titles, lines)


def _tool(tool: str, bundle: str, ckpt_path: str) -> Callable[[], Tool]:
    """What makes a tool; ours are the greedy solver alone: no warp of these lists has an affine part worth a step."""
    solver = partial(GreedyRefinement, 60, spacing_mm=FINEST_MM)
    ours = {
        "features": partial(RegisterTool, bundle, ckpt_path, refine=solver(similarity=FEATURES)),
        "mind": partial(RegisterTool, refine=solver(similarity="mind")),
        "lncc": partial(RegisterTool, refine=solver(similarity="lncc")),
        "mi": partial(RegisterTool, refine=60, similarity="mi", spacing_mm=FINEST_MM),
    }
    return ours.get(tool) or partial(OtherTool, one_of("tool", tool, (*ours, *METHODS)))


def _heads(data_dir: Path, contrasts: list[str], heads: Sequence[str]) -> dict[str, Callable[[], HeadPair]]:
    """The first warp of each head."""
    folder = str(data_dir / "MultiContrastBrain")
    parts = {"val" if name in VAL_SUBJECTS else "tune" for name in heads}
    known = {name: make for part in parts for name, make in warped_heads(folder, contrasts, part).items()}
    return {name: known[f"{name}-0"] for name in heads}


def _changed_head(make: Callable[[], HeadPair], change: str) -> HeadPair:
    """A head and its own warp in a changed contrast."""
    item = make().item
    return HeadPair({**item, "moving": CHANGES[change](item["moving"])})


def _changed(data_dir: Path, change: str) -> HeadPair:
    """The labeled head and its own warp, in a changed contrast where one is named."""
    (make,) = list(warped_heads(str(data_dir / "BrainT1Labels"), ["T1", "T1"]).values())[:1]
    return _changed_head(make, change) if change in CHANGES else make()


def _abdomen(data_dir: Path) -> HeadPair:
    """CT of an abdomen with its structures, and its own warp."""
    names = ("totalseg_example_ct_3mm", "totalseg_example_seg_3mm")
    ct, label = (read_volume(data_dir / "AbdomenCT" / f"{name}.nii.gz") for name in names)
    subject = {"fixed": _window(ct), "moving": _window(ct), "label": label, "subject": ABDOMEN}
    return HeadPair(KnownWarpPairs([subject], "fixed", "moving", 1, ABDOMEN_WARP_MM, ABDOMEN_MM, SEED)[0])


def _window(image: MetaTensor) -> MetaTensor:
    """A CT in [0, 1], 0 outside of the body."""
    low, high = SOFT_HU
    return on_grid(((image.as_tensor() - low) / (high - low)).clamp(0, 1), Grid.from_image(image), like=image)


HEAD_TASKS = ("T1-T1", "T1-T2", "T1-FLAIR", "T2-FLAIR", "T1-inverted", "T1-gamma")
TASKS = (*HEAD_TASKS, "labels-T1", "labels-inverted", "labels-gamma", ABDOMEN)

if __name__ == "__main__":
    run_command(feature_warps)
