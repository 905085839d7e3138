"""Medical Segmentation Decathlon layout: ``dataset.json``, or ``<name>_dataset.json``, with imagesTr and labelsTr.

Two optional files beside it fix an evaluation: ``splits.json`` {"fit": [names], "tune": [...], "val": [...]}
and ``val_pairs.json`` {"pairs": [[fixed name, moving name], ...]}; a name is a file name without its ending.
"""

from collections.abc import Mapping
from pathlib import Path

from ...files import existing_file, read_dataset_json
from ...words import did_you_mean
from ..pairs import pair_subjects
from ..splits import select_subjects
from .learn2reg import find_dataset_json


def decathlon_subjects(dataset_dir: str | Path, part: str = "", section: str = "training") -> list[dict[str, str]]:
    """Subjects of a Decathlon task.

    Args:
        dataset_dir: the folder of the task.
        part: a part of ``splits.json``, such as ``fit``, ``tune`` or ``val``; empty for all subjects.
        section: ``training`` (with labels) or ``test``.

    Returns:
        One ``{"subject": name, "image": path, "label": path}`` per subject (no label under ``test``), with
        absolute paths, in the order of ``dataset.json``.

    Raises:
        FileNotFoundError: the folder, a description or a listed file is missing.
        ValueError: an unknown section or part, or a file that is not in this layout.
    """
    folder = Path(dataset_dir).expanduser()
    path = find_dataset_json(folder) if folder.is_dir() else folder / "dataset.json"
    content = read_dataset_json(path)
    entries = content.get(section) if isinstance(content, Mapping) else None
    if not isinstance(entries, list) or not entries:
        raise ValueError(f"{path}: expected a non-empty list under the key {section!r}, got {entries!r}")
    subjects = [_read_subject(entry, path) for entry in entries]
    return select_subjects(subjects, decathlon_splits(folder, part)) if part else subjects


def decathlon_splits(dataset_dir: str | Path, part: str) -> list[str]:
    """Subject names of one part of ``splits.json``.

    Args:
        dataset_dir: the folder of the task.
        part: such as ``fit``, ``tune`` or ``val``.

    Returns:
        The names.

    Raises:
        FileNotFoundError: no ``splits.json``.
        ValueError: an unknown part, or a subject that stands in two parts.
    """
    path = Path(dataset_dir).expanduser() / "splits.json"
    splits = read_dataset_json(path)
    if not isinstance(splits, Mapping) or not all(isinstance(names, list) for names in splits.values()):
        raise ValueError(f"{path}: expected part → list of names, got {splits!r}")
    if part not in splits:
        raise ValueError(f"{path}: there is no part {part!r}, {did_you_mean(part, list(splits))}")
    names = [name for names in splits.values() for name in names]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ValueError(f"{path}: expected each subject once, got {', '.join(repeated)} more than once")
    return splits[part]


def decathlon_val_pairs(dataset_dir: str | Path) -> list[dict[str, str]]:
    """The listed pairs that an evaluation scores.

    Args:
        dataset_dir: the folder of the task, with ``val_pairs.json``.

    Returns:
        One pair per entry, see ``pair_subjects``.

    Raises:
        FileNotFoundError: a description or a listed file is missing.
        ValueError: an entry that is no pair, or a name that is no subject.
    """
    path = Path(dataset_dir).expanduser() / "val_pairs.json"
    content = read_dataset_json(path)
    entries = content.get("pairs") if isinstance(content, Mapping) else None
    if not isinstance(entries, list) or not entries:
        raise ValueError(f"{path}: expected a non-empty list under the key 'pairs', got {entries!r}")
    subjects = {subject["subject"]: subject for subject in decathlon_subjects(dataset_dir)}
    pairs = []
    for entry in entries:
        if not isinstance(entry, list) or len(entry) != 2:
            raise ValueError(f"{path}: expected pairs [fixed, moving] of subject names, got {entry!r}")
        unknown = [name for name in entry if name not in subjects]
        if unknown:
            raise ValueError(f"{path}: {unknown[0]!r} is no subject of dataset.json")
        pairs.append(pair_subjects(subjects[entry[0]], subjects[entry[1]]))
    return pairs


def _read_subject(entry: str | Mapping[str, str], path: Path) -> dict[str, str]:
    entry = {"image": entry} if isinstance(entry, str) else entry
    if not isinstance(entry, Mapping) or not isinstance(entry.get("image"), str):
        raise ValueError(f"{path}: expected entries with a file name under 'image', got {entry!r}")
    name = Path(entry["image"]).name.removesuffix(".gz").removesuffix(".nii")
    files = {key: entry[key] for key in ("image", "label") if key in entry}
    return {"subject": name} | {
        key: existing_file(path.parent, file, f"{key} of subject {name}") for key, file in files.items()
    }
