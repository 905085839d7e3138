"""What the report shows, small enough to lie inside the page: sheets of slices, codes, lattices, landmarks."""

import base64
import math
from typing import Any

import torch

from .marks import NO_MARKS, Marks
from .pictures import PLANES, Plane, data_url, gray_volumes, sheet, tile_of
from .preview import Preview

MAX_BYTES = 4_500_000  # of all encoded data
QUALITIES = ((40, 80), (40, 65), (28, 60), (20, 50), (12, 40))  # slices per axis, JPEG quality: the first that fits
LATTICE = 33  # points per axis of the grid picture
NUM_JACOBIAN_CODES = 63  # levels of log2(det) from −1 to 1; code 0 is a fold
SIDES = (("L", "R"), ("P", "A"), ("I", "S"))


def report_data(view: Preview, marks: Marks = NO_MARKS) -> dict[str, Any]:
    """All pictures of a report.

    Args:
        view: from :func:`~.preview.preview`.
        marks: from :func:`~.marks.marks`.

    Returns:
        Content for JSON: per plane, in the order of the axes, the slices' indices, size, sides, sheets as data URLs and
        lattices in base64, at most some 4.5 MB; landmarks in voxels, the affine, and the ranges of the codes.
    """
    displacement_mm, longest_mm = _displacement_mm(view)
    # JPEG for what is smooth, PNG for codes.
    smooth = gray_volumes(view) | {"displacement": displacement_mm}
    codes = {"jacobian": jacobian_codes(view.determinant), **marks.labels}
    for num_slices, quality in QUALITIES:
        planes = [_plane(plane, smooth, codes, view.ddf, num_slices, quality) for plane in PLANES]
        if sum(_length(plane) for plane in planes) <= MAX_BYTES:
            break
    return {
        "planes": planes,
        "affine": view.grid.affine.tolist(),
        "jacobian_codes": NUM_JACOBIAN_CODES,
        "longest_displacement_mm": longest_mm,
        "num_labels": len(marks.numbers),
        "points": {name: points.tolist() for name, points in marks.points.items()},
    }


def jacobian_codes(determinant: torch.Tensor) -> torch.Tensor:
    """Whole numbers for pictures: 0 where the field folds, 1 to 63 for log2(det) from −1 to 1.

    Example:
        >>> jacobian_codes(torch.tensor([-0.1, 0.5, 1.0, 2.0])).tolist()
        [0, 1, 32, 63]
    """
    middle = (NUM_JACOBIAN_CODES + 1) / 2
    codes = middle + determinant.clamp(min=1e-6).log2().clamp(-1, 1) * (NUM_JACOBIAN_CODES - middle)
    return torch.where(determinant <= 0, 0, codes.round()).to(torch.uint8)


def slice_indices(size: int, num_slices: int) -> list[int]:
    """At most so many slices, evenly spread, none of them at the border of a longer axis.

    Example:
        >>> slice_indices(3, 40), slice_indices(100, 4)
        ([0, 1, 2], [12, 37, 62, 87])
    """
    count = min(size, num_slices)
    return [int((2 * number + 1) * size / (2 * count)) for number in range(count)]


def _displacement_mm(view: Preview) -> tuple[torch.Tensor, float]:
    """Length of the displacement in 0 to 255, and what 255 stands for, mm; the voxels of a preview are cubic."""
    length = view.ddf.norm(dim=0)
    longest = max(length.max().item(), 1e-6)
    return (length / longest * 255).round().to(torch.uint8), longest * view.grid.spacing[0]


def _plane(
    plane: Plane,
    smooth: dict[str, torch.Tensor],
    codes: dict[str, torch.Tensor],
    ddf: torch.Tensor,
    num_slices: int,
    quality: int,
) -> dict[str, Any]:
    shape = smooth["fixed"].shape
    indices = slice_indices(shape[plane.axis], num_slices)
    size = [shape[plane.right], shape[plane.up]]
    tile, columns = tile_of(size), math.ceil(math.sqrt(len(indices)))
    pictures = {key: sheet(volume, plane, indices, tile, columns) for key, volume in (smooth | codes).items()}
    sheets = {key: data_url(pictures[key], "jpeg", quality=quality) for key in smooth}
    sheets |= {key: data_url(pictures[key], "png") for key in codes}
    return {
        "name": plane.name,
        "axes": [plane.right, plane.up],
        "indices": indices,
        "size": size,
        "tile": tile,
        "columns": columns,
        "sides": [*SIDES[plane.right], *SIDES[plane.up]],
        "sheets": sheets,
        "lattice": _lattice(ddf, plane, indices),
    }


def _lattice(ddf: torch.Tensor, plane: Plane, indices: list[int]) -> dict[str, Any]:
    """In-plane displacements at the points of a lattice, one byte each in units of ``step`` voxels."""
    axes = (plane.right, plane.up)
    across, along = (torch.linspace(0, ddf.shape[k + 1] - 1, min(LATTICE, ddf.shape[k + 1])) for k in axes)
    chosen = ddf[list(axes)].index_select(plane.axis + 1, torch.tensor(indices)).movedim(plane.axis + 1, 0)
    chosen = chosen.index_select(2, across.round().long()).index_select(3, along.round().long())
    step = max(chosen.abs().max().item(), 1e-6) / 127
    codes = (chosen / step).round().to(torch.int8)
    return {
        "right": across.round().tolist(),
        "up": along.round().tolist(),
        "step": step,
        "displacements": base64.b64encode(codes.contiguous().numpy().tobytes()).decode(),
    }


def _length(plane: dict[str, Any]) -> int:
    return sum(map(len, plane["sheets"].values())) + len(plane["lattice"]["displacements"])
