"""Heads scanned with several contrasts: ``dataset.json`` lists subject → contrast → file."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from ...files import existing_file, read_dataset_json


def multi_contrast_subjects(dataset_dir: str | Path, contrasts: Sequence[str]) -> list[dict[str, str]]:
    """Subjects of a folder in the multi-contrast layout, each with the co-registered contrasts asked for.

    The folder holds ``dataset.json`` with the entry
    ``{"subjects": [{"subject": "ms07", "T1": "ms07/T1.nii.gz", "T2": "ms07/T2.nii.gz"}, ...]}``, perhaps with a
    ``label``; file names are relative to the folder.

    Args:
        dataset_dir: the folder.
        contrasts: names of the contrasts every subject must have, for example ``("T1", "T2")``.

    Returns:
        One ``{"subject": name, contrast: absolute path, ...}`` per subject, in the order of the file, with ``label``
        where the subject has one.

    Raises:
        FileNotFoundError: the folder, ``dataset.json`` or a listed image is missing.
        ValueError: a subject lacks a contrast or appears twice, or the file is not in this layout.
    """
    if isinstance(contrasts, str):
        raise TypeError(f"contrasts: expected a list of names such as ['T1', 'T2'], got {contrasts!r}")
    path = Path(dataset_dir).expanduser() / "dataset.json"
    subjects = [_read_subject(entry, contrasts, path) for entry in _entries(path)]
    names = [subject["subject"] for subject in subjects]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ValueError(f"{path}: expected each subject once, got {', '.join(repeated)} more than once")
    return subjects


def _entries(path: Path) -> list:
    content = read_dataset_json(path)
    entries = content.get("subjects") if isinstance(content, Mapping) else None
    if not isinstance(entries, list) or not entries:
        found = ", ".join(content) if isinstance(content, Mapping) else type(content).__name__
        raise ValueError(f"{path}: expected a non-empty list under the key 'subjects', got {found or 'no keys'}")
    return entries


def _read_subject(entry: Mapping[str, str], contrasts: Sequence[str], path: Path) -> dict[str, str]:
    if not isinstance(entry, Mapping) or not isinstance(entry.get("subject"), str):
        raise ValueError(f"{path}: expected entries with a text under 'subject', got {entry!r}")
    name = entry["subject"]
    for contrast in contrasts:
        if contrast not in entry:
            found = ", ".join(key for key in entry if key != "subject") or "no images"
            raise ValueError(f"{path}: subject {name} has no {contrast}, it has {found}")
    files = {key: entry[key] for key in dict.fromkeys([*contrasts, "label"]) if key in entry}
    return {"subject": name} | {
        key: existing_file(path.parent, file, f"{key} of subject {name}") for key, file in files.items()
    }
