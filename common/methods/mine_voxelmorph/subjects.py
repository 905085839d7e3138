"""Subjects with one or more contrasts, from whichever layout a folder has, or from the sample population."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from ...data.layouts.decathlon import decathlon_subjects
from ...data.layouts.multi_contrast import multi_contrast_subjects
from ...data.layouts.oasis import is_labeled_scan, is_oasis, labeled_scan, oasis_subjects
from ...data.sample.population import sample_part
from ...data.splits import held_out_split, split_subjects
from ...files import read_dataset_json
from ...words import one_of

PARTS = ("fit", "tune", "val")
OASIS_SHARES = {"fit": 230 / 372, "tune": 24 / 372, "val": 118 / 372}  # of the paper
NUM_SAMPLE_SUBJECTS = {"fit": 3, "tune": 1, "val": 1}
SINGLE = "T1"  # name of the image of layouts that have one


def brain_subjects(
    dataset_dir: str,
    part: str,
    contrasts: Sequence[str],
    val_subjects: Sequence[str] = (),
    num_structures: int = 35,
    sample_spacing: int = 4,
) -> list[dict]:
    """Subjects of one part of a data set.

    The layout is recognized: OASIS, multi-contrast (``dataset.json`` with ``subjects``), Decathlon (with ``training``
    and a ``splits.json``), one labeled scan (``vol.nii.gz``, only val), or the sample population for an empty name. A
    multi-contrast folder holds out ``val_subjects``, or a fifth; it is small, so ``tune`` is ``fit`` again, for warps
    that training never sees.

    Args:
        dataset_dir: the folder; empty for the sample population.
        part: fit, tune or val.
        contrasts: that every subject must have, such as T1 and FLAIR.
        val_subjects: held-out subjects of a multi-contrast folder.
        num_structures: which label file of OASIS, 35 or 4.
        sample_spacing: mm, of the sample population.

    Returns:
        {"subject", contrast: file or volume, ..., "label" where there is one} each.

    Raises:
        ValueError: for an unknown part, a contrast that the data lack, or a training on the one labeled scan.
    """
    one_of("part", part, PARTS)
    contrasts = list(dict.fromkeys(contrasts))
    if not dataset_dir:
        chosen = sample_part(part, NUM_SAMPLE_SUBJECTS, contrasts=contrasts, spacing=sample_spacing)
        return [{key: value for key, value in subject.items() if key != "ddf"} for subject in chosen]
    if is_oasis(dataset_dir):
        _check_single(dataset_dir, contrasts)
        return split_subjects(oasis_subjects(dataset_dir, num_structures), OASIS_SHARES)[part]
    if is_labeled_scan(dataset_dir):
        _check_single(dataset_dir, contrasts)
        if part != "val":
            raise ValueError(
                f"{dataset_dir}: expected part val of one labeled scan, which is only scored, got {part!r}"
            )
        return [labeled_scan(dataset_dir)]
    content = read_dataset_json(Path(dataset_dir).expanduser() / "dataset.json")
    if isinstance(content, Mapping) and "training" in content:
        _check_single(dataset_dir, contrasts)
        return [{SINGLE: s["image"], **s} for s in decathlon_subjects(dataset_dir, part)]
    split = held_out_split(multi_contrast_subjects(dataset_dir, contrasts), val_subjects)
    return split["val" if part == "val" else "fit"]


def _check_single(dataset_dir: str, contrasts: Sequence[str]) -> None:
    missing = [name for name in contrasts if name != SINGLE]
    if missing:
        raise ValueError(f"{dataset_dir}: expected contrast {SINGLE} of this layout, got {', '.join(missing)}")
