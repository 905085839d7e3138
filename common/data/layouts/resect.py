"""RESECT and Learn2Reg CuRIOUS layout: preoperative MR, intraoperative ultrasound, and corresponding landmarks.

A folder holds one ``Case<n>`` per patient, at any depth, with files ``Case<n>-T1.nii.gz``, ``Case<n>-FLAIR.nii.gz``,
``Case<n>-US-before.nii.gz`` and ``Case<n>-MRI-beforeUS.tag`` in it or below it. All lie in one world frame.
"""

import re
from pathlib import Path

import torch

from ...words import one_of

CONTRASTS = ("T1", "FLAIR")


def resect_pairs(dataset_dir: str | Path, contrast: str = "T1") -> list[dict[str, str]]:
    """One pair per patient: ultrasound before resection is fixed, MR is moving.

    Args:
        dataset_dir: the folder.
        contrast: T1 or FLAIR.

    Returns:
        ``subject``, ``fixed``, ``moving`` and, where there is one, ``landmarks`` (the .tag file); absolute paths, in
        the order of the patients' numbers. :func:`~common.data.splits.fold_subjects` makes folds of them.

    Raises:
        FileNotFoundError: no folder of a patient, or one without its images.
        ValueError: another contrast.
    """
    one_of("contrast", contrast, CONTRASTS)
    root = Path(dataset_dir).expanduser().absolute()
    folders = {path.name: path for path in root.rglob("Case*") if path.is_dir() and re.fullmatch(r"Case\d+", path.name)}
    if not folders:
        raise FileNotFoundError(f"{root}: expected folders Case1, Case2, …, found none")
    return [_read_case(folders[name], contrast) for name in sorted(folders, key=_number)]


def _read_case(folder: Path, contrast: str) -> dict[str, str]:
    files = {"fixed": f"{folder.name}-US-before", "moving": f"{folder.name}-{contrast}"}
    case = {"subject": folder.name}
    for key, stem in files.items():
        found = sorted(path for path in folder.rglob(f"{stem}.nii*") if path.name in (f"{stem}.nii", f"{stem}.nii.gz"))
        if not found:
            raise FileNotFoundError(f"{folder}: expected the file {stem}.nii.gz in it or below it, found none")
        case[key] = str(found[0])
    tags = sorted(folder.rglob(f"{folder.name}-MRI-beforeUS.tag"))
    return case | ({"landmarks": str(tags[0])} if tags else {})


def read_tag_landmarks(path: str | Path) -> tuple[torch.Tensor, torch.Tensor]:
    """Corresponding points of an MNI tag file with two volumes.

    Args:
        path: the .tag file.

    Returns:
        Points in MR and in ultrasound, (N, 3) each, RAS mm, float64.

    Raises:
        ValueError: where the file is not of this kind; names it.
    """
    text = Path(path).read_text(encoding="utf-8", errors="replace")
    body = re.search(r"Volumes\s*=\s*2\s*;.*?Points\s*=(.*?);", text, flags=re.DOTALL)
    lines = [line.split() for line in body[1].strip().splitlines()] if body else []
    try:
        rows = [[float(entry) for entry in line[:6]] for line in lines]
    except ValueError as error:
        raise ValueError(f"{path}: expected six coordinates per point, got another entry ({error})") from error
    if not rows or any(len(row) != 6 for row in rows):
        raise ValueError(f"{path}: expected an MNI tag file with Volumes = 2 and six coordinates per point")
    points = torch.tensor(rows, dtype=torch.float64)
    return points[:, :3], points[:, 3:]


def _number(name: str) -> int:
    return int(name.removeprefix("Case"))
