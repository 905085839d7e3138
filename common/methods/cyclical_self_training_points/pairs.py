"""Pairs of keypoint clouds for training and evaluation: archives, a Learn2Reg set, or the sample population."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from ...data.layouts.learn2reg import learn2reg_pairs
from ...data.volume import read_volume
from ...world.grid import Grid
from .files import check_clouds, cloud_axes, read_keypoint_archive, read_keypoint_table, unit_mm, voxels_to_units
from .sample import sample_keypoint_pair

NUM_SAMPLE_PAIRS = 4


def keypoint_pairs(
    dataset_dir: str = "",
    prefixes: Sequence[str] = (),
    with_landmarks: bool = False,
    fold: int = -1,
    num_folds: int = 5,
    part: str = "all",
    num_sample_points: int = 1200,
    held_out: Sequence[str] = (),
) -> list[dict]:
    """Pairs of clouds, sorted by name.

    Args:
        dataset_dir: folder of ``.npz`` archives (:func:`~.files.read_keypoint_archive`) or a Learn2Reg set
            with keypoint tables; empty for the sample population.
        prefixes: names begin with one of them; empty for all.
        with_landmarks: leave out pairs without landmarks, of a fold after it was cut.
        fold: from 0; −1 for no folds.
        num_folds: consecutive pairs, in the order of their names, form a fold; paper: 5 of ten cases.
        part: with a fold, "fit" for the pairs outside it and "val" for those inside; "all" for both.
        num_sample_points: fixed keypoints of a sample pair; moving ones are twice as many.
        held_out: names to leave out, such as those of a fold that was cut from other prefixes; takes the place of the
            fold.

    Returns:
        ``name``, ``fixed_points`` (N, 3), ``moving_points`` (M, 3), ``mm_per_unit`` (3,), and landmarks (L, 3).

    Raises:
        FileNotFoundError: where there is no such folder.
        ValueError: for no pairs, an unknown part, or a fold that does not exist.

    Example:
        >>> [pair["name"] for pair in keypoint_pairs(fold=0, num_folds=2, part="val")]
        ['sample_00', 'sample_01']
    """
    pairs = _read_pairs(dataset_dir, num_sample_points, tuple(prefixes))
    if held_out:
        pairs = [pair for pair in pairs if pair["name"] not in set(held_out)]
    elif fold >= 0:
        pairs = _of_fold(pairs, fold, num_folds, part)
    if with_landmarks:
        pairs = [pair for pair in pairs if "fixed_landmarks" in pair]
    if not pairs:
        wanted = f"names that begin with {', '.join(prefixes)}" if prefixes else "keypoint archives"
        raise ValueError(f"{dataset_dir or 'sample population'}: expected {wanted}, got none")
    return pairs


def names_of_fold(pairs: Sequence[Mapping[str, Any]], fold: int) -> list[str]:
    """Names of pairs that are scored as a fold, to be held out of the training; none without folds.

    Example:
        >>> names_of_fold([{"name": "copd_01"}], 0), names_of_fold([{"name": "copd_01"}], -1)
        (['copd_01'], [])
    """
    return [pair["name"] for pair in pairs] if fold >= 0 else []


def _read_pairs(dataset_dir: str, num_sample_points: int, prefixes: tuple[str, ...]) -> list[dict]:
    if not dataset_dir:
        counts = {"num_fixed": num_sample_points, "num_moving": 2 * num_sample_points}
        return [
            {"name": f"sample_{index:02d}", **sample_keypoint_pair(index, **counts)}
            for index in range(NUM_SAMPLE_PAIRS)
        ]
    folder = Path(dataset_dir).expanduser()
    if not folder.exists():
        raise FileNotFoundError(
            f"dataset_dir: expected a folder of keypoint archives, got {folder}, which does not exist"
        )
    archives = sorted(folder.glob("*.npz")) if folder.is_dir() else []
    if archives:
        chosen = [path for path in archives if path.name.startswith(prefixes) or not prefixes]
        return [{"name": path.stem, **read_keypoint_archive(path)} for path in chosen]
    files = learn2reg_pairs(folder, "training_paired_images")
    chosen = [pair for pair in files if Path(pair["fixed"]).name.startswith(prefixes) or not prefixes]
    return [_read_learn2reg(pair) for pair in chosen]


def _read_learn2reg(files: dict[str, str]) -> dict:
    name = Path(files["fixed"]).name.removesuffix(".gz").removesuffix(".nii")
    missing = [key for key in ("fixed_points", "moving_points") if key not in files]
    if missing:
        raise ValueError(f"{files['fixed']}: expected keypoint tables, got no {' and no '.join(missing)}")
    grids = {side: Grid.from_image(read_volume(files[side])) for side in ("fixed", "moving")}
    if grids["fixed"].spatial_shape != grids["moving"].spatial_shape:
        raise ValueError(f"{name}: expected two images of one grid, got {[g.spatial_shape for g in grids.values()]}")
    axes, signs = cloud_axes(grids["fixed"])
    if (axes, signs) != cloud_axes(grids["moving"]):
        raise ValueError(f"{name}: expected two images with axes in one order, got {files['fixed']}, {files['moving']}")
    pair = {"name": name, "mm_per_unit": unit_mm(grids["fixed"])[axes]}
    for side, grid in grids.items():
        for word in ("points", "landmarks"):
            if f"{side}_{word}" in files:
                table = read_keypoint_table(files[f"{side}_{word}"])
                columns = table[:, :3] if side == "fixed" else table[:, -3:]
                pair[f"{side}_{word}"] = voxels_to_units(columns, grid)[:, axes] * torch.tensor(signs)
    for side in grids:
        pair[f"{side}_points"] = pair[f"{side}_points"].unique(dim=0)
    check_clouds(pair, name)
    return pair


def _of_fold(pairs: list[dict], fold: int, num_folds: int, part: str) -> list[dict]:
    if part not in ("all", "fit", "val") or fold >= num_folds:
        raise ValueError(f"expected part all, fit or val and a fold below {num_folds}, got {part!r} and {fold}")
    if len(pairs) < num_folds:
        raise ValueError(f"num_folds: expected at most {len(pairs)}, the number of pairs to score, got {num_folds}")
    first, last = (number * len(pairs) // num_folds for number in (fold, fold + 1))
    inside = pairs[first:last]
    names = {pair["name"] for pair in inside}
    return {"all": pairs, "val": inside, "fit": [pair for pair in pairs if pair["name"] not in names]}[part]


def align_by_moments(points: torch.Tensor, source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Scale and shift along each axis that give ``source`` the mean and deviation of ``target``, applied to points.

    x ↦ σ_t / σ_s · (x − μ_s) + μ_t; the counterpart, for clouds, of aligning lung masks before the registration.

    Args:
        points: (N, 3).
        source: (S, 3).
        target: (T, 3).

    Returns:
        (N, 3).

    Example:
        >>> source = torch.tensor([[0.0, 0, 0], [1.0, 1, 1]])
        >>> align_by_moments(source, source, 2 * source + 1).tolist()
        [[1.0, 1.0, 1.0], [3.0, 3.0, 3.0]]

    Reference: Bigalke et al., MICCAI 2023, section 3.1, step 3 of the pre-processing.
    """
    scale = target.std(0) / source.std(0).clamp(min=1e-6)
    return (points - source.mean(0)) * scale + target.mean(0)
