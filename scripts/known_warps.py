"""Endpoint errors of registrations of heads that seeded smooth diffeomorphisms have moved, in mm inside the head.

    python scripts/known_warps.py DIR --method initial
    python scripts/known_warps.py DIR --method ants_syn
    python scripts/known_warps.py DIR --method mine_local --ckpt_path FILE --num_search_steps 10

The fixed image is one contrast of a subject, the moving image another contrast of it, moved. Rows of pairs that are
already in the result file are kept, so a stopped call continues.
"""

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import fire
import torch

from common.atomic import write_json
from common.comparison.tools import TOOLS
from common.data.brain_subjects import brain_subjects
from common.data.contrast_pairs import KnownWarpPairs
from common.handlers.scores_csv import scores_table
from common.inferers.instance_search import InstanceSearchInferer
from common.metrics.alignment_scores import ScoreAlignmentd
from common.networks.voxelmorph_diff import VoxelMorphDiff
from common.transforms.brain_grid import ToSubjectGridd
from common.transforms.load import LoadVolumed

RESULTS = Path(__file__).resolve().parents[1] / "bundles" / "mine_voxelmorph" / "docs" / "results"


def known_warps(
    dataset_dir: str,
    method: str = "initial",
    ckpt_path: str = "",
    contrasts: Sequence[str] = ("T1", "FLAIR"),
    val_subjects: Sequence[str] = ("ms26", "lgg6692"),
    part: str = "val",
    num_warps: int = 12,
    warp_mm: float = 4.0,
    spacing_mm: float = 2.0,
    spatial_shape: Sequence[int] = (80, 96, 80),
    seed: int = 0,
    name: str = "",
    results_dir: str = "",
    **search,
) -> str:
    """Register all pairs with one method and write rows and means as JSON.

    Args:
        dataset_dir: folder in the multi-contrast layout.
        method: name of a tool of :mod:`common.comparison.tools`; or any name, with ``ckpt_path``.
        ckpt_path: weights of a VoxelMorphDiff; "none" for a zero field as the start of a search.
        contrasts: of fixed and moving image.
        val_subjects: held-out subjects.
        part: val, or tune for the training subjects under other warps.
        num_warps: per subject.
        warp_mm: mean length of the warps in the head.
        spacing_mm: edge of a voxel.
        spatial_shape: of the common grid.
        seed: of the warps.
        name: of the result file; empty for the method.
        results_dir: empty for the bundle's docs/results.
        **search: arguments of :class:`common.inferers.instance_search.InstanceSearchInferer`.

    Returns:
        The means.
    """
    torch.set_num_threads(1)
    to_grid, load = ToSubjectGridd(contrasts, spacing_mm, spatial_shape), LoadVolumed(contrasts)
    subjects = [to_grid(load(subject)) for subject in brain_subjects(dataset_dir, part, contrasts, val_subjects)]
    pairs = KnownWarpPairs(subjects, *contrasts, num_warps, warp_mm, spacing_mm, seed)
    register, score = _method(method, ckpt_path, search), ScoreAlignmentd()
    path = (Path(results_dir) if results_dir else RESULTS) / f"known_warps-{name or method}.json"
    settings = {"contrasts": list(contrasts), "warp_mm": warp_mm, "spacing_mm": spacing_mm, "seed": seed, "part": part}
    settings |= {"spatial_shape": list(spatial_shape), "method": method, "search": search if ckpt_path else {}}
    rows = json.loads(path.read_text())["pairs"] if path.is_file() else []
    for number in range(len(pairs)):
        item = pairs[number]
        if item["name"] in [row["name"] for row in rows]:
            continue
        started = time.perf_counter()
        ddf = register(item["image"][None])
        seconds = time.perf_counter() - started
        scores = score({**item, "pred": ddf[0]})["scores"]
        rows.append({"name": item["name"], **scores, "seconds": seconds})
        print(f"{item['name']} error {scores.get('error_mm', 0):.3f} mm, {seconds:.2f} s", flush=True)
        write_json(path, {"settings": settings, "mean": _means(rows), "pairs": rows})
    return scores_table([{"name": name or method, **_means(rows)}]).rsplit("\n", 1)[0]


def _method(method: str, ckpt_path: str, search: dict) -> Callable[[torch.Tensor], torch.Tensor]:
    """Function from image (1, 2, X, Y, Z) to ddf (1, 3, X, Y, Z)."""
    if not ckpt_path:
        tool = TOOLS[method]
        return lambda image: torch.as_tensor(tool(*image[0].numpy()).copy()).movedim(-1, 0)[None].float()
    inferer = InstanceSearchInferer(**{"num_search_steps": 0, **search})
    network = VoxelMorphDiff().eval()
    if ckpt_path == "none":
        return lambda image: inferer(image, lambda x: torch.zeros(1, 3, *x.shape[2:]))
    network.load_state_dict(torch.load(ckpt_path, map_location="cpu", weights_only=True))

    def register(image: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            return inferer(image, network)

    return register


def _means(rows: list[dict]) -> dict[str, float]:
    keys = [key for key, value in rows[0].items() if isinstance(value, float)]
    return {key: sum(row[key] for row in rows if key in row) / len(rows) for key in keys}


if __name__ == "__main__":
    fire.Fire(known_warps)
