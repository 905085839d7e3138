"""The error of an effort on heads of a multi-contrast folder under known warps.

    python scripts/studies/all/known_warp_head.py data/MultiContrastBrain --subject ms07 --effort normal

Heads, warps and seed are others than those of the comparison, so that settings may be chosen here.
"""

import time
from collections.abc import Sequence
from dataclasses import replace

import torch
from monai.transforms import Compose

from common.fields.jacobian import jacobian_determinant
from common.methods.mine_voxelmorph.known_warp import KnownWarpPairs
from common.methods.mine_voxelmorph.scores import endpoint_error_mm
from common.methods.mine_voxelmorph.subjects import brain_subjects
from common.registration.greedy import AUTO, EFFORTS
from common.registration.registrar import register
from common.tools.command_line import run_command
from common.transforms.intensity import UnitIntensityd
from common.transforms.load import LoadVolumed
from common.world.grid import Grid
from common.world.resample import field_mm_to_ddf

WARP_MM = 4.0
COMPARED = ("ms26", "lgg6692")  # heads of the comparison, which choose nothing


def known_warp_head(
    dataset_dir: str,
    subject: str,
    effort: str = "normal",
    contrasts: Sequence[str] = ("T1", "T1"),
    fluid: float = 0.0,
    elastic: float = 0.0,
    seed: int = 11,
) -> str:
    """Mean error and its 95th percentile in the head, share of folds, processor seconds with the affine map.

    Args:
        dataset_dir: folder in the multi-contrast layout, voxels of 1 mm.
        subject: name of a head.
        effort: fast, normal or best.
        contrasts: of fixed and moving image.
        fluid: smoothness of updates, voxels; 0 for what suits the similarity.
        elastic: smoothness of the field, voxels; 0 for what suits the similarity.
        seed: of the warp.
    """
    torch.set_num_threads(1)
    names = list(dict.fromkeys(contrasts))
    read = Compose([LoadVolumed(names), UnitIntensityd(names)])
    chosen = [read(item) for item in brain_subjects(dataset_dir, "tune", names, COMPARED) if item["subject"] == subject]
    pair = KnownWarpPairs(chosen, *contrasts, 1, WARP_MM, 1.0, seed)[0]
    started = time.process_time()
    settings = replace(EFFORTS[effort], similarity=AUTO, fluid=fluid, elastic=elastic)
    found = register(pair["fixed"], pair["moving"], affine=True, refine=settings, device="cpu")
    seconds = time.process_time() - started
    grid = Grid.from_image(pair["fixed"])
    ddf = field_mm_to_ddf(found.field.as_tensor(), grid)
    error = endpoint_error_mm(ddf, pair["true_ddf"], pair["brain"], grid.spacing)
    folds = (jacobian_determinant(ddf[None]) <= 0).float().mean().item()
    high = error[::10].quantile(0.95).item()
    return f"{error.mean():.3f} mm, 95 % {high:.3f} mm, folds {100 * folds:.4f} %, {seconds:.1f} processor seconds"


if __name__ == "__main__":
    run_command(known_warp_head)
