"""Endpoint errors of registrations of heads that seeded smooth diffeomorphisms have moved, in mm inside the head.

    python scripts/studies/mine_voxelmorph/known_warps.py DIR --method ants_syn
    python scripts/studies/mine_voxelmorph/known_warps.py DIR --method mine_local --ckpt_path FILE
    python scripts/studies/mine_voxelmorph/known_warps.py SCAN --contrasts T1,T1 --spacing_mm 1 --method ants_syn

The fixed image is one contrast of a subject, the moving image another contrast of it, moved. Rows of pairs that are
already in the row are kept, so a stopped call continues.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from common.fields.ddf import resize
from common.inferers import RefiningInferer
from common.methods.mine_voxelmorph.grid import ToSubjectGridd
from common.methods.mine_voxelmorph.known_warp import KnownWarpPairs
from common.methods.mine_voxelmorph.network import VoxelMorphDiff
from common.methods.mine_voxelmorph.scores import ScoreAlignmentd
from common.methods.mine_voxelmorph.subjects import brain_subjects
from common.solvers.image_refinement import ImageRefinement, shrunk
from common.tools.command_line import run_command
from common.tools.comparison.other_tools import METHODS
from common.tools.results.record import ScoredRow, means
from common.tools.results.tables import markdown_table
from common.transforms.load import LoadVolumed
from common.weights import weights_sha256

OPTIONS = {
    "num_refinement_steps": "num_steps",
    "refinement_similarity": "similarity",
    "refinement_weight": "weight",
    "refinement_rate": "learning_rate",
    "refinement_spacing": "control_spacing",
    "refinement_shrink": "shrink",
}
RESULTS = Path(__file__).resolve().parents[3] / "bundles" / "mine_voxelmorph" / "docs" / "results"


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
    shrink: int = 1,
    name: str = "",
    results_dir: str = "",
    **refinement,
) -> str:
    """Register all pairs with one method and keep their scores as a row of known_warps.json.

    Args:
        dataset_dir: folder in the multi-contrast layout, or of one labeled scan.
        method: name of a tool of :mod:`common.tools.comparison.other_tools`; or any name, with ``ckpt_path``.
        ckpt_path: weights of a VoxelMorphDiff; "none" for a zero field as the start of a refinement.
        contrasts: of fixed and moving image.
        val_subjects: held-out subjects.
        part: val, or tune for the training subjects under other warps.
        num_warps: per subject.
        warp_mm: mean length of the warps in the head.
        spacing_mm: edge of a voxel.
        spatial_shape: of the common grid, on which everything is scored.
        seed: of the warps.
        shrink: the method works on a grid with so many times fewer voxels per axis, for networks of larger voxels.
        name: of the row; empty for the method.
        results_dir: empty for the bundle's docs/results.
        **refinement: options as inference.json of the bundle has them, such as ``num_refinement_steps``.

    Returns:
        The means.

    Raises:
        ValueError: where the row holds pairs of other settings.
    """
    torch.set_num_threads(1)
    to_grid = ToSubjectGridd(contrasts, spacing_mm, spatial_shape)
    load = LoadVolumed([*dict.fromkeys(contrasts), "label"], allow_missing_keys=True)
    subjects = [to_grid(load(subject)) for subject in brain_subjects(dataset_dir, part, contrasts, val_subjects)]
    pairs = KnownWarpPairs(subjects, *contrasts, num_warps, warp_mm, spacing_mm, seed)
    register, score = _on_coarser_grid(_method(method, ckpt_path, refinement), shrink), ScoreAlignmentd()
    settings = {"contrasts": list(contrasts), "warp_mm": warp_mm, "spacing_mm": spacing_mm, "seed": seed, "part": part}
    settings |= {"spatial_shape": list(spatial_shape), "method": method, "num_warps": num_warps}
    settings["refinement"] = refinement if ckpt_path else {}
    settings |= {"shrink": shrink} if shrink > 1 else {}
    if ckpt_path not in ("", "none"):
        settings["weights_sha256"] = weights_sha256(ckpt_path)
    record = ScoredRow(Path(results_dir or RESULTS, "known_warps.json"), name or method, settings)
    for number in range(len(pairs)):
        item = pairs[number]
        if record.has(item["name"]):
            continue
        started = time.perf_counter()
        ddf = register(item["image"][None])
        seconds = time.perf_counter() - started
        scores = score({**item, "pred": ddf[0]})["scores"]
        record.add(item["name"], {**scores, "seconds": seconds})
        print(f"{item['name']} error {scores.get('error_mm', 0):.3f} mm, {seconds:.2f} s", flush=True)
    return markdown_table([name or method, "mean"], means(record.rows).items())


def _method(method: str, ckpt_path: str, refinement: dict) -> Callable[[torch.Tensor], torch.Tensor]:
    """Function from image (1, 2, X, Y, Z) to ddf (1, 3, X, Y, Z)."""
    if not ckpt_path:
        found = METHODS[method]

        def register_by_package(image: torch.Tensor) -> torch.Tensor:
            ddf = found.function(*image[0].numpy(), **found.settings)
            return torch.as_tensor(ddf.copy()).movedim(-1, 0)[None].float()

        return register_by_package
    options = {OPTIONS[name]: value for name, value in refinement.items()}
    inferer = RefiningInferer(1, ImageRefinement(**{"num_steps": 0, **options}))
    network = VoxelMorphDiff().eval()
    if ckpt_path == "none":
        return lambda image: inferer(image, lambda x: torch.zeros(1, 3, *x.shape[2:]))
    network.load_state_dict(torch.load(ckpt_path, map_location="cpu", weights_only=True))

    def register(image: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            return inferer(image, network)

    return register


def _on_coarser_grid(register: Callable, factor: int) -> Callable[[torch.Tensor], torch.Tensor]:
    """The same function on the common grid, its input averaged to a coarser one."""
    if factor == 1:
        return register

    def on_common_grid(image: torch.Tensor) -> torch.Tensor:
        shape = list(image.shape[2:])
        return resize(register(shrunk(image, [size // factor for size in shape])), shape)

    return on_common_grid


if __name__ == "__main__":
    run_command(known_warps)
