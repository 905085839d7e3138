"""Score registration tools and bundles on one list of pairs."""

import datetime
import importlib.metadata
import json
import os
import platform
import statistics
import time
from pathlib import Path

import fire
import torch

from common.atomic import write_json
from common.comparison.bundle_tool import BundleTool
from common.comparison.region_pair import RegionPair
from common.comparison.tools import PACKAGES, TOOLS
from common.data.decathlon import decathlon_val_pairs

RESULTS = Path(__file__).parents[1] / "docs" / "results"


def compare(
    dataset_dir: str,
    tool: str = "initial",
    bundle: str = "",
    ckpt_path: str = "",
    num_pairs: int = 0,
    num_threads: int = 1,
    results_dir: str = "",
) -> None:
    """Register the pairs of ``val_pairs.json`` with one tool, and write scores and seconds as JSON.

    Every pair is scored on a centered cube of 64 voxels of 1 mm: moving labels are warped once from their own grid, one
    channel per class, linearly. Dice, 95 % Hausdorff distance in mm, folds and the spread of the Jacobian are written
    per pair and as mean and standard deviation.

    Args:
        dataset_dir: folder in the Decathlon layout with val_pairs.json.
        tool: initial, ants_syn, dipy_syn_cc, convex_adam, sitk_demons; or a name for the results of a bundle.
        bundle: folder of a bundle to score in place of a tool.
        ckpt_path: its weights; empty for its models/model.pt.
        num_pairs: only the first ones; 0 takes all.
        num_threads: of torch and ITK.
        results_dir: where the file goes; empty for docs/results.
    """
    if not bundle and tool not in TOOLS:
        raise ValueError(f"tool: expected one of {', '.join(TOOLS)}, or --bundle, got {tool!r}")
    torch.set_num_threads(num_threads)
    os.environ["ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"] = str(num_threads)
    register = BundleTool(bundle, ckpt_path) if bundle else None
    pairs = decathlon_val_pairs(dataset_dir)
    rows = []
    for number, files in enumerate(pairs[:num_pairs] if num_pairs else pairs):
        pair = RegionPair.read(files)
        started = time.perf_counter()
        field_mm = register(pair) if register else pair.field_of(_ddf(tool, pair))
        seconds = time.perf_counter() - started
        names = {"fixed": files["fixed_subject"], "moving": files["moving_subject"]}
        rows.append(names | pair.scores(field_mm) | {"seconds": seconds})
        print(f"{number:3d} dice {rows[-1]['dice']:.3f} hd95 {rows[-1]['hd95_mm']:.2f} mm {seconds:.2f} s", flush=True)
    folder = Path(results_dir) if results_dir else RESULTS
    path = folder / f"{Path(dataset_dir).name}-val-{tool}.json"
    write_json(path, {"tool": tool, "mean": _summary(rows), "pairs": rows, **_settings(tool, bundle, num_threads)})
    print(f"{path}: {json.dumps(_summary(rows))}")


def _ddf(tool: str, pair: RegionPair) -> torch.Tensor:
    fixed, moving = (x.numpy() for x in pair.padded())
    return torch.as_tensor(TOOLS[tool](fixed, moving).copy()).movedim(-1, 0).float()


def _summary(rows: list[dict]) -> dict[str, dict[str, float]]:
    summary = {}
    for name in [key for key, value in rows[0].items() if isinstance(value, float)]:
        values = [row[name] for row in rows if row[name] == row[name]]
        deviation = statistics.stdev(values) if len(values) > 1 else 0.0
        summary[name] = {"mean": statistics.fmean(values), "sd": deviation}
    return summary


def _settings(tool: str, bundle: str, num_threads: int) -> dict:
    packages = [PACKAGES[tool]] if tool in PACKAGES and not bundle else []
    versions = {name: importlib.metadata.version(name) for name in [*packages, "torch", "monai"]}
    return {
        "num_threads": num_threads,
        "processor": platform.processor() or platform.machine(),
        "versions": versions,
        "date": datetime.date.today().isoformat(),
    }


if __name__ == "__main__":
    fire.Fire(compare)
