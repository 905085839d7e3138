"""DIR-Lab COPDgene as it is distributed: raw volumes of two breath holds and 300 landmarks per case.

A case is a folder ``copd1`` to ``copd10``, at any depth, with ``copd1_eBHCT.img`` (exhaled) and ``copd1_iBHCT.img``
(inhaled), int16, and ``copd1_300_eBH_xyz_r1.txt`` and ``copd1_300_iBH_xyz_r1.txt``, voxel numbers from 1. Rows run to
the patient's left, columns to the back, slices from head to feet. Both phases share one frame.

No raw case was at hand. Names, type, order of the numbers, slices from head to feet and landmarks from 1 are as in two
public programs that read these files, and the offset as in the first of them, whose authors are not sure of it:
github.com/hsokooti/RegNet, functions/preprocessing/dirlab.py, and github.com/uncbiag/shapmagn,
shapmagn/experiments/datasets/lung/dirlab_processing.py, which meets the scans' own frame by turning the slices alone.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from monai.data import MetaTensor

from ...files import existing_file

PHASES = {"fixed": "eBH", "moving": "iBH"}
HU_OFFSET = 1024  # of the stored numbers, see above


@dataclass(frozen=True)
class Geometry:
    """Voxels of a raw volume, which has no header.

    Attributes:
        shape: left, posterior, inferior.
        spacing_mm: of the same axes.
    """

    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]

    @property
    def affine(self) -> torch.Tensor:
        """Voxel to RAS mm, the first voxel at the origin, (4, 4)."""
        return torch.diag(torch.tensor([*(-edge for edge in self.spacing_mm), 1.0], dtype=torch.float64))


def _geometry(field_of_view_mm: float, num_slices: int) -> Geometry:
    edge = field_of_view_mm / 512
    return Geometry((512, 512, num_slices), (edge, edge, 2.5))


# Field of view and slices of each case: the table of www.dir-lab.com, whose spacings are these over 512.
COPD = {
    "copd1": _geometry(320, 121),
    "copd2": _geometry(330, 102),
    "copd3": _geometry(334, 126),
    "copd4": _geometry(302, 126),
    "copd5": _geometry(331, 131),
    "copd6": _geometry(324, 119),
    "copd7": _geometry(320, 112),
    "copd8": _geometry(300, 115),
    "copd9": _geometry(340, 116),
    "copd10": _geometry(380, 135),
}


def dirlab_cases(dataset_dir: str | Path) -> list[dict[str, str]]:
    """Cases of a folder, by their numbers.

    Args:
        dataset_dir: the folder.

    Returns:
        ``subject`` (copd_01), ``case`` (copd1), ``fixed`` (exhaled), ``moving`` (inhaled), ``fixed_landmarks``,
        ``moving_landmarks``: absolute paths; no landmarks where a case has none.

    Raises:
        FileNotFoundError: no case, or one without its volumes; names it.
    """
    root = Path(dataset_dir).expanduser().absolute()
    found = {path.parent.name: path.parent for path in sorted(root.rglob("copd*_eBHCT.img"))}
    cases = [_case(name, found[name]) for name in COPD if name in found]
    if not cases:
        raise FileNotFoundError(f"{root}: expected folders copd1 to copd10 with copd1_eBHCT.img, found none")
    return cases


def _case(name: str, folder: Path) -> dict[str, str]:
    case = {"subject": f"copd_{int(name.removeprefix('copd')):02d}", "case": name}
    for side, phase in PHASES.items():
        case[side] = existing_file(folder, f"{name}_{phase}CT.img", f"{phase} of {name}")
        landmarks = folder / f"{name}_300_{phase}_xyz_r1.txt"
        if landmarks.is_file():
            case[f"{side}_landmarks"] = str(landmarks)
    return case


def read_dirlab_volume(path: str | Path, geometry: Geometry) -> MetaTensor:
    """A raw volume in HU.

    Args:
        path: .img file of int16, left fastest.
        geometry: of the case, see ``COPD``.

    Returns:
        (1, X, Y, Z), float32, with its affine.

    Raises:
        ValueError: a file of another size; names it.
    """
    expected, found = 2 * int(np.prod(geometry.shape)), Path(path).stat().st_size
    if found != expected:
        raise ValueError(f"{path}: expected {expected} bytes, {geometry.shape} voxels of int16, got {found}")
    stored = np.fromfile(path, dtype="<i2").reshape(geometry.shape[::-1]).T
    hounsfield = torch.from_numpy(stored.astype(np.float32)) - HU_OFFSET
    return MetaTensor(hounsfield[None].contiguous(), affine=geometry.affine, meta={"filename_or_obj": str(path)})


def read_dirlab_landmarks(path: str | Path, geometry: Geometry) -> torch.Tensor:
    """Landmarks in world space.

    Args:
        path: text file, three voxel numbers from 1 in each line.
        geometry: of the case.

    Returns:
        (N, 3), RAS mm, float64.

    Raises:
        ValueError: another text, or a number beyond the volume; names the file.
    """
    lines = [line for line in Path(path).read_text(encoding="utf-8").splitlines() if line.strip()]
    try:
        voxels = torch.tensor([[float(x) for x in re.split(r"[\s,]+", line.strip())] for line in lines]) - 1
    except ValueError as error:
        raise ValueError(f"{path}: expected three voxel numbers in each line, got {error}") from error
    if voxels.ndim != 2 or voxels.shape[1] != 3 or not len(voxels):
        raise ValueError(f"{path}: expected three voxel numbers in each line, got a table {tuple(voxels.shape)}")
    if voxels.min() < 0 or (voxels > torch.tensor(geometry.shape) - 1).any():
        raise ValueError(f"{path}: expected voxel numbers from 1 to {geometry.shape}, got {voxels.amax(0) + 1}")
    return voxels.double() * geometry.affine.diagonal()[:3]
