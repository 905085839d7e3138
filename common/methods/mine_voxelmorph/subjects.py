"""Subjects with one or more contrasts, from whichever layout a folder has, or from the sample population."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...data.layouts.decathlon import decathlon_splits, decathlon_subjects
from ...data.layouts.multi_contrast import multi_contrast_subjects
from ...data.layouts.oasis import is_labeled_scan, is_oasis, labeled_scan, oasis_subjects, person_of
from ...data.sample.population import sample_part
from ...data.splits import held_out_split, select_subjects, split_subjects
from ...files import existing_file, read_dataset_json
from ...words import one_of

PARTS = ("fit", "tune", "val", "all")
OASIS_SHARES = {"fit": 230 / 372, "tune": 24 / 372, "val": 118 / 372}  # of the paper
NUM_SAMPLE_SUBJECTS = {"fit": 3, "tune": 1, "val": 1}
SINGLE = "T1"  # name of the image of layouts that have one
SPLITS = "splits.json"


def brain_subjects(
    dataset_dir: str,
    part: str,
    contrasts: Sequence[str],
    val_subjects: Sequence[str] = (),
    num_structures: int = 35,
    sample_spacing: int = 4,
) -> list[dict]:
    """Subjects of one part of a data set.

    The layout is recognized: OASIS, multi-contrast (``dataset.json`` with ``subjects``), Decathlon (with ``training``),
    one labeled scan (``vol.nii.gz``, only val), or the sample population for an empty name. The parts are those of
    ``splits.json``, which the Decathlon layout must have; without one, OASIS is split by persons in the paper's shares,
    and multi-contrast folders hold out ``val_subjects``, or a fifth: they are small, so ``tune`` is ``fit`` again, for
    warps that training never sees.

    Args:
        dataset_dir: the folder; empty for the sample population.
        part: fit, tune, val or all.
        contrasts: that every subject must have, such as T1 and FLAIR.
        val_subjects: subjects to hold out, whatever ``splits.json`` says.
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
        return _sample(part, contrasts, sample_spacing)
    if is_labeled_scan(dataset_dir):
        _check_single(dataset_dir, contrasts)
        if part not in ("val", "all"):
            raise ValueError(
                f"{dataset_dir}: expected part val of one labeled scan, which is only scored, got {part!r}"
            )
        return [labeled_scan(dataset_dir)]
    subjects = _listed(dataset_dir, contrasts, num_structures)
    return subjects if part == "all" else _of_part(subjects, dataset_dir, part, val_subjects)


def with_atlas(
    subjects: Sequence[Mapping[str, Any]], image: str, label: str, contrasts: Sequence[str], pairing: str, name: str
) -> list[Mapping[str, Any]]:
    """The subjects after an atlas given as a file, onto which all are brought.

    Args:
        subjects: of the training.
        image: NIfTI file; empty for no other atlas than the first subject.
        label: its label map; empty for none.
        contrasts: of the subjects; the atlas is only ever fixed, so one image stands for all.
        pairing: of the training; an atlas file is for "atlas" alone.
        name: of the file that the training had; empty for none. Another file may be given, none may not.

    Raises:
        FileNotFoundError: where a file is missing.
        ValueError: for an atlas beside another pairing, a label without one, or none after a training that had one.

    Example:
        >>> with_atlas([{"subject": "a"}], "", "", ["T1"], "inter", "")
        [{'subject': 'a'}]
    """
    if (image or label) and pairing != "atlas":
        raise ValueError(f"atlas: expected pairing atlas beside it, got {pairing}")
    if label and not image:
        raise ValueError(f"atlas_label: expected an atlas beside {label}, got none")
    if name and not image:
        raise ValueError(f"atlas: expected the file {name} of the training, or another one, got none")
    if not image:
        return list(subjects)
    image = existing_file(Path(), image, "atlas")
    atlas = {"subject": "atlas", **dict.fromkeys(contrasts, image)}
    return [atlas | ({"label": existing_file(Path(), label, "atlas_label")} if label else {}), *subjects]


def _sample(part: str, contrasts: Sequence[str], spacing: int) -> list[dict]:
    parts = NUM_SAMPLE_SUBJECTS if part == "all" else [part]
    chosen = [s for name in parts for s in sample_part(name, NUM_SAMPLE_SUBJECTS, contrasts=contrasts, spacing=spacing)]
    return [{key: value for key, value in subject.items() if key != "ddf"} for subject in chosen]


def _listed(dataset_dir: str, contrasts: Sequence[str], num_structures: int) -> list[dict]:
    """All subjects of a folder in one of the layouts."""
    if is_oasis(dataset_dir):
        _check_single(dataset_dir, contrasts)
        return oasis_subjects(dataset_dir, num_structures)
    content = read_dataset_json(Path(dataset_dir).expanduser() / "dataset.json")
    if isinstance(content, Mapping) and "training" in content:
        _check_single(dataset_dir, contrasts)
        return [{SINGLE: subject["image"], **subject} for subject in decathlon_subjects(dataset_dir)]
    return multi_contrast_subjects(dataset_dir, contrasts)


def _of_part(subjects: list[dict], dataset_dir: str, part: str, val_subjects: Sequence[str]) -> list[dict]:
    is_decathlon = any("image" in subject for subject in subjects)  # a layout that needs splits.json
    if not val_subjects and (is_decathlon or (Path(dataset_dir).expanduser() / SPLITS).is_file()):
        return select_subjects(subjects, decathlon_splits(dataset_dir, part))
    if not val_subjects and is_oasis(dataset_dir):
        persons = [{"subject": name} for name in sorted({person_of(subject["subject"]) for subject in subjects})]
        chosen = {person["subject"] for person in split_subjects(persons, OASIS_SHARES)[part]}
        return [subject for subject in subjects if person_of(subject["subject"]) in chosen]
    return held_out_split(subjects, val_subjects)["val" if part == "val" else "fit"]


def _check_single(dataset_dir: str, contrasts: Sequence[str]) -> None:
    missing = [name for name in contrasts if name != SINGLE]
    if missing:
        raise ValueError(f"{dataset_dir}: expected contrast {SINGLE} of this layout, got {', '.join(missing)}")
