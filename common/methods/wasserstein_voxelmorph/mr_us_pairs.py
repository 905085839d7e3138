"""Pairs of ultrasound and MR for a cross-validation over patients."""

from ...data.layouts.resect import read_tag_landmarks, resect_pairs
from ...data.splits import fold_subjects, split_subjects

TUNE_SHARE = 0.15  # of the patients that a fold trains with: 3 of 17 or 18


def mr_us_pairs(
    dataset_dir: str, part: str = "fit", num_folds: int = 5, fold: int = 0, contrast: str = "T1"
) -> list[dict]:
    """One pair per patient: ultrasound before resection is fixed, MR is moving.

    Patients of the fold are ``val``. Of the others a share is ``tune``, on whose loss the training stops; the rest is
    ``fit``. The split depends on the names of the patients alone.

    Args:
        dataset_dir: folder in the RESECT layout, see :mod:`~common.data.layouts.resect`.
        part: fit, tune or val.
        num_folds: of the cross-validation.
        fold: which one, from 0.
        contrast: of the MR, T1 or FLAIR.

    Returns:
        ``name``, ``fixed`` and ``moving`` (absolute paths), and where the patient has landmarks ``fixed_points`` and
        ``moving_points``, (N, 3), RAS mm.

    Raises:
        FileNotFoundError: no folder of a patient, or one without its images.
        ValueError: no data set, another part, ``num_folds`` or ``fold`` out of range.
    """
    if not dataset_dir:
        raise ValueError(
            "dataset_dir: expected a folder in the RESECT layout (Case1, Case2, …), got none; "
            "the sample population has no ultrasound"
        )
    folds = fold_subjects(resect_pairs(dataset_dir, contrast), num_folds, fold)
    parts = split_subjects(folds["fit"], {"fit": 1 - TUNE_SHARE, "tune": TUNE_SHARE}) | {"val": folds["val"]}
    if part not in parts:
        raise ValueError(f"expected a part of {', '.join(parts)}, got {part!r}")
    return [_with_points(case) for case in parts[part]]


def _with_points(case: dict[str, str]) -> dict:
    pair = {"name": case["subject"], "fixed": case["fixed"], "moving": case["moving"]}
    if "landmarks" in case:
        pair["moving_points"], pair["fixed_points"] = read_tag_landmarks(case["landmarks"])
    return pair
