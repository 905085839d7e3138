"""Rigid motions of known size, found again by an affine registration: ours and that of ANTs on the same trials.

    python scripts/studies/all/affine_trials.py --data_dir DATA
    python scripts/studies/all/affine_trials.py --data_dir DATA --tool ants

Half of the trials move the T1 image of a limb against its CT, the other half FLAIR against T1 of heads. The reference
is the world frame that the images share; a second figure compares with the same tool's result for the pair that was not
moved, because the frame of the limb is itself off by some millimeters.
"""

import math
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from monai.data import MetaTensor
from tqdm import tqdm

from common.data.layouts.multi_contrast import multi_contrast_subjects
from common.data.volume import read_volume
from common.solvers.affine import affine_by_mutual_information
from common.solvers.affine_objective import transform
from common.tools.command_line import run_command
from common.tools.results.record import ScoredRow, means
from common.words import one_of
from common.world.grid import Grid, apply_affine

RESULTS = Path(__file__).parents[3] / "docs" / "results"
LPS = np.diag([-1.0, -1.0, 1.0])
POINT_STRIDE = 501  # every so many voxels of the foreground


def random_rigid(seed: int, center: torch.Tensor, shift_mm: float, degrees: float) -> torch.Tensor:
    """Rotation about a random axis through a point and a shift in a random direction, sizes uniform up to a limit."""
    generator = torch.Generator().manual_seed(seed)
    directions = torch.nn.functional.normalize(torch.randn(2, 3, generator=generator), dim=1)
    sizes = torch.rand(2, 1, generator=generator) * torch.tensor([[shift_mm], [math.radians(degrees)]])
    theta = torch.cat([(directions * sizes).flatten(), torch.zeros(6)])
    return transform(theta[None].double(), center, 1.0)[0]


def ours(fixed: MetaTensor, moving: MetaTensor, kind: str = "affine") -> torch.Tensor:
    """World matrix of :func:`common.solvers.affine.affine_by_mutual_information`, from fixed to moving points."""
    grids = [Grid.from_image(image) for image in (fixed, moving)]
    return affine_by_mutual_information(fixed.as_tensor(), grids[0], moving.as_tensor(), grids[1], kind=kind)


def ants_affine(fixed: MetaTensor, moving: MetaTensor, kind: str = "Affine") -> torch.Tensor:
    """The same of ``ants.registration`` with its defaults."""
    import ants

    images = []
    for image in (fixed, moving):
        affine = LPS @ Grid.from_image(image).affine.numpy()[:3]
        spacing = np.linalg.norm(affine[:, :3], axis=0)
        array = np.ascontiguousarray(image.as_tensor()[0].numpy())
        frame = {"origin": affine[:, 3].tolist(), "spacing": spacing.tolist(), "direction": affine[:, :3] / spacing}
        images.append(ants.from_numpy(array, **frame))
    found = ants.registration(*images, type_of_transform=kind, random_seed=1)
    point_map = ants.read_transform(found["fwdtransforms"][0])
    origin, *ends = (LPS @ point_map.apply_to_point(list(point)) for point in (np.zeros(3), *LPS))
    matrix = torch.eye(4, dtype=torch.float64)
    matrix[:3, :3], matrix[:3, 3] = torch.tensor(np.stack(ends, axis=1) - origin[:, None]), torch.tensor(origin)
    return matrix


TOOLS: dict[str, Callable[[MetaTensor, MetaTensor], torch.Tensor]] = {
    "ours": ours,
    "ours_rigid": partial(ours, kind="rigid"),
    "ants": ants_affine,
    "ants_rigid": partial(ants_affine, kind="Rigid"),
}


def affine_trials(
    data_dir: str,
    tool: str = "ours",
    num_trials: int = 40,
    shift_mm: float = 20.0,
    degrees: float = 15.0,
    num_threads: int = 1,
    results_dir: str = "",
) -> None:
    """Run the trials with one tool, keep every error as its row of affine_trials.json and print the means.

    Args:
        data_dir: folder that holds LimbCTMR and MultiContrastBrain.
        tool: ours or ants, with 12 parameters; ours_rigid or ants_rigid, with 6.
        num_trials: half of them on the limb, half on heads in turn.
        shift_mm: largest shift.
        degrees: largest rotation.
        num_threads: of torch; set ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS for ANTs.
        results_dir: where the file goes; empty for docs/results.
    """
    one_of("tool", tool, TOOLS)
    torch.set_num_threads(num_threads)
    settings = {"shift_mm": shift_mm, "degrees": degrees, "num_threads": num_threads}
    record = ScoredRow(Path(results_dir or RESULTS, "affine_trials.json"), tool, settings)
    at_rest: dict[str, torch.Tensor] = {}
    for seed in tqdm(range(len(record.rows), num_trials), desc=tool):
        name, pair = _pair(Path(data_dir), seed)
        if name not in at_rest:
            at_rest[name] = TOOLS[tool](*pair)
        record.add(f"{name}, {seed}", _trial(TOOLS[tool], pair, at_rest[name], (shift_mm, degrees), seed))
    for kind in ("limb", "T1-FLAIR"):
        rows = [row | _within(row) for row in record.rows if kind in row["item"]]
        print(f"{tool}, {len(rows)} trials, {kind}: {means(rows)}")


def _within(row: dict) -> dict[str, float]:
    """Whether the errors of a trial are at most 2 mm."""
    return {f"{name}_within_2": float(row[name] <= 2) for name in ("error_mm", "difference_to_unmoved_mm")}


def _pair(data_dir: Path, seed: int) -> tuple[str, list[MetaTensor]]:
    if seed % 2 == 0:
        return "limb CT-T1", [read_volume(data_dir / "LimbCTMR" / "sts002" / f"{name}.nii.gz") for name in ("CT", "T1")]
    subjects = multi_contrast_subjects(str(data_dir / "MultiContrastBrain"), ("T1", "FLAIR"))
    subject = subjects[seed // 2 % len(subjects)]
    return f"{subject['subject']} T1-FLAIR", [read_volume(subject[name]) for name in ("T1", "FLAIR")]


def _trial(register: Callable, pair: list[MetaTensor], at_rest: torch.Tensor, limits: tuple, seed: int) -> dict:
    fixed, moving = pair
    grid = Grid.from_image(moving)
    center = grid.center
    truth = random_rigid(seed, center, *limits)
    moved = MetaTensor(moving.as_tensor(), affine=truth @ grid.affine, meta=dict(moving.meta))
    started = time.perf_counter()
    estimate = register(fixed, moved)
    seconds = time.perf_counter() - started
    volume = moving.as_tensor()[0]
    points = grid.voxel_to_world((volume > volume.median()).nonzero()[::POINT_STRIDE])

    def error(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        return (apply_affine(first, points) - apply_affine(second, points)).norm(dim=1)

    return {
        "moved_by_mm": error(truth, torch.eye(4, dtype=torch.float64)).mean().item(),
        "error_mm": error(estimate, truth).mean().item(),
        "max_error_mm": error(estimate, truth).max().item(),
        "difference_to_unmoved_mm": error(estimate, truth @ at_rest).mean().item(),
        "seconds": seconds,
    }


if __name__ == "__main__":
    run_command(affine_trials)
