"""Two contrasts of each subject by the names of their files, as the canine legs of the SATA challenge come.

Files of one subject differ in nothing but the contrast: ``leg01_T1.nii.gz`` and ``leg01_T2.nii.gz`` in one folder, or
``leg01/T1.nii.gz`` and ``leg01/T2.nii.gz``; a label map is called ``label`` or ``glm`` in that place. The folder itself
names a subject whose files lie in it as ``T1.nii.gz`` and ``T2.nii.gz``.
"""

import re
from collections.abc import Sequence
from pathlib import Path

CONTRASTS = ("T1", "T2")
LABELS = ("label", "glm")


def sata_subjects(dataset_dir: str | Path, contrasts: Sequence[str] = CONTRASTS) -> list[dict[str, str]]:
    """Subjects of a folder that have all contrasts.

    Args:
        dataset_dir: the folder; files may lie at any depth.
        contrasts: that the names hold.

    Returns:
        {"subject": name, contrast: absolute path, ..., "label" where there is one} each, in the order of their names.

    Raises:
        FileNotFoundError: no file of any contrast.
        ValueError: subjects that lack a contrast, or have two files of one; names them.
    """
    root = Path(dataset_dir).expanduser().absolute()
    subjects: dict[str, dict[str, str]] = {}
    for path in sorted([*root.rglob("*.nii"), *root.rglob("*.nii.gz")]):
        name, key = _named(path, contrasts)
        if key in subjects.get(name, {}):
            raise ValueError(f"{name}: expected one file of {key}, got {subjects[name][key]} and {path}")
        if key:
            subjects.setdefault(name, {})[key] = str(path)
    if not subjects:
        raise FileNotFoundError(f"{root}: expected images with {' or '.join(contrasts)} in their names, found none")
    lacking = {name: [c for c in contrasts if c not in files] for name, files in subjects.items()}
    if any(lacking.values()):
        listed = "; ".join(f"{name} has no {', '.join(missing)}" for name, missing in lacking.items() if missing)
        raise ValueError(f"{root}: expected {' and '.join(contrasts)} of every subject, but {listed}")
    return [{"subject": name, **files} for name, files in subjects.items()]


def _named(path: Path, contrasts: Sequence[str]) -> tuple[str, str]:
    """Subject and key of a file; an empty key where its name holds no contrast."""
    stem = path.name.removesuffix(".gz").removesuffix(".nii")
    words = [word for word in (*LABELS, *contrasts) if re.search(_as_part(word), stem)]
    for word in words:
        stem = re.sub(_as_part(word), "", stem)
    name = stem.strip("_-.") or path.parent.name
    return (name, "label" if words[0] in LABELS else words[0]) if words else (name, "")


def _as_part(word: str) -> str:
    return rf"(?i)(^|[_\-.]){word}(?=$|[_\-.])"
