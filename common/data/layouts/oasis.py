"""OASIS-1 and -2, as Neurite and Learn2Reg lay them out: a folder per session, affinely aligned, 1 mm.

Folders are called ``OASIS_OAS1_0001_MR1`` or, as OASIS itself names sessions, ``OAS2_0001_MR1``.
"""

import re
from pathlib import Path

from ...words import one_of

IMAGE = "aligned_norm.nii.gz"
LABELS = {35: "aligned_seg35.nii.gz", 4: "aligned_seg4.nii.gz"}
SESSION = re.compile(r"((?:OASIS_)?OAS[12]_\d{4})_MR\d+")


def is_oasis(dataset_dir: str | Path) -> bool:
    """Whether a folder holds sessions in this layout."""
    return bool(_sessions(Path(dataset_dir).expanduser()))


def oasis_subjects(dataset_dir: str | Path, num_structures: int = 35) -> list[dict[str, str]]:
    """Sessions of the folder, in the order of their names.

    Args:
        dataset_dir: the folder.
        num_structures: 35 for the structures of FreeSurfer, 4 for cortex, deep gray and white matter, CSF.

    Returns:
        {"subject": name of the session, "T1": path, "label": path} each; no label where a session has no such file.

    Raises:
        FileNotFoundError: for a folder without sessions, or a session without its image; names what is missing.
        ValueError: for another number of structures.
    """
    one_of("num_structures", num_structures, LABELS)
    folder = Path(dataset_dir).expanduser()
    subjects = []
    for place in _sessions(folder):
        if not (place / IMAGE).is_file():
            raise FileNotFoundError(f"{place.name}: expected its image {place / IMAGE}, which does not exist")
        subject = {"subject": place.name, "T1": str(place / IMAGE)}
        label = place / LABELS[num_structures]
        subjects.append(subject | ({"label": str(label)} if label.is_file() else {}))
    if not subjects:
        raise FileNotFoundError(f"{folder}: expected folders OASIS_OAS1_*_MR1 or OAS2_*_MR*, found none")
    return subjects


def person_of(session: str) -> str:
    """Who was scanned: the name of a session without its number; another name stands for itself.

    Example:
        >>> person_of("OAS2_0001_MR2"), person_of("ms07")
        ('OAS2_0001', 'ms07')
    """
    matched = SESSION.fullmatch(session)
    return matched[1] if matched else session


def _sessions(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*OAS*_MR*") if SESSION.fullmatch(path.name))


SCAN, SCAN_LABEL = "vol.nii.gz", "seg.nii.gz"


def is_labeled_scan(dataset_dir: str | Path) -> bool:
    """Whether a folder holds a scan of this name."""
    return (Path(dataset_dir).expanduser() / SCAN).is_file()


def labeled_scan(dataset_dir: str | Path) -> dict[str, str]:
    """The scan as subject: {"subject": name of the folder, "T1": path, "label": path}.

    Args:
        dataset_dir: the folder.

    Raises:
        FileNotFoundError: where the label map is missing.
    """
    folder = Path(dataset_dir).expanduser()
    if not (folder / SCAN_LABEL).is_file():
        raise FileNotFoundError(f"{folder}: expected {SCAN_LABEL} beside {SCAN}, which does not exist")
    return {"subject": folder.resolve().name, "T1": str(folder / SCAN), "label": str(folder / SCAN_LABEL)}
