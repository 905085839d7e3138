"""What the report shows, small enough to lie inside the page: sheets of slices, Jacobian codes, lattices."""

import base64
import io
import math
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image

from ...quantiles import robust_range
from .preview import Preview

MAX_BYTES = 4_500_000  # of all encoded data
QUALITIES = ((40, 80), (40, 65), (28, 60), (20, 50), (12, 40))  # slices per axis, JPEG quality: the first that fits
LATTICE = 33  # points per axis of the grid picture
TILE_MULTIPLE = 16  # pixels; blocks of JPEG then belong to one slice
NUM_JACOBIAN_CODES = 63  # levels of log2(det) from −1 to 1; code 0 is a fold
PLANES = (("sagittal", 0, 1, 2), ("coronal", 1, 0, 2), ("axial", 2, 0, 1))  # name, axis, to the right, upwards
SIDES = (("L", "R"), ("P", "A"), ("I", "S"))


def report_data(view: Preview) -> dict:
    """All pictures of a report.

    Args:
        view: from :func:`~.preview.preview`.

    Returns:
        Content for JSON: per plane the slices' indices, size, sides, sheets as data URLs and lattices in base64;
        at most some 4.5 MB.
    """
    gray = _gray_volumes(view)
    codes = jacobian_codes(view.determinant)
    for num_slices, quality in QUALITIES:
        planes = [_plane(plane, gray, codes, view.ddf, num_slices, quality) for plane in PLANES]
        if sum(_length(plane) for plane in planes) <= MAX_BYTES:
            break
    return {"planes": planes, "spacing_mm": view.grid.spacing[0], "jacobian_codes": NUM_JACOBIAN_CODES}


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


def _gray_volumes(view: Preview) -> dict[str, torch.Tensor]:
    """Fixed, moving and warped in 0 to 255; the last two share their range."""
    low, high = _range(view.fixed)
    gray = {"fixed": _scaled(view.fixed, low, high)}
    reached = view.warped[view.inside > 0.5]
    low, high = _range(reached if reached.numel() else view.warped)
    return gray | {"moving": _scaled(view.before, low, high), "warped": _scaled(view.warped, low, high)}


def _range(image: torch.Tensor) -> tuple[float, float]:
    low, high = robust_range(image, (0.005, 0.995))
    return low.item(), high.item()


def _scaled(image: torch.Tensor, low: float, high: float) -> torch.Tensor:
    return ((image - low) / max(high - low, 1e-12) * 255).clamp(0, 255).round().to(torch.uint8)


def _plane(
    plane: tuple, gray: dict[str, torch.Tensor], codes: torch.Tensor, ddf: torch.Tensor, num_slices: int, quality: int
) -> dict:
    name, axis, right, up = plane
    indices = slice_indices(codes.shape[axis], num_slices)
    width, height = codes.shape[right], codes.shape[up]
    tile = [math.ceil(size / TILE_MULTIPLE) * TILE_MULTIPLE for size in (width, height)]
    columns = math.ceil(math.sqrt(len(indices)))
    pictures = {key: _sheet(volume, plane, indices, tile, columns) for key, volume in gray.items()}
    sheets = {key: _data_url(picture, "jpeg", quality=quality) for key, picture in pictures.items()}
    sheets["jacobian"] = _data_url(_sheet(codes, plane, indices, tile, columns), "png", optimize=True)
    return {
        "name": name,
        "indices": indices,
        "size": [width, height],
        "tile": tile,
        "columns": columns,
        "sides": [*SIDES[right], *SIDES[up]],
        "sheets": sheets,
        "lattice": _lattice(ddf, plane, indices),
    }


def _sheet(volume: torch.Tensor, plane: tuple, indices: Sequence[int], tile: list[int], columns: int) -> np.ndarray:
    """Slices side by side in rows of ``columns``, the upward axis up."""
    _, axis, _, _ = plane
    rows = math.ceil(len(indices) / columns)
    sheet = np.zeros((rows * tile[1], columns * tile[0]), dtype=np.uint8)
    for number, index in enumerate(indices):
        picture = volume.select(axis, index).T.flip(0).numpy()
        y, x = number // columns * tile[1], number % columns * tile[0]
        sheet[y : y + picture.shape[0], x : x + picture.shape[1]] = picture
    return sheet


def _lattice(ddf: torch.Tensor, plane: tuple, indices: Sequence[int]) -> dict:
    """In-plane displacements at the points of a lattice, one byte each in units of ``step`` voxels."""
    _, axis, right, up = plane
    across, along = (torch.linspace(0, ddf.shape[k + 1] - 1, min(LATTICE, ddf.shape[k + 1])) for k in (right, up))
    chosen = ddf[[right, up]].index_select(axis + 1, torch.tensor(indices)).movedim(axis + 1, 0)
    chosen = chosen.index_select(2, across.round().long()).index_select(3, along.round().long())
    step = max(chosen.abs().max().item(), 1e-6) / 127
    codes = (chosen / step).round().to(torch.int8)
    return {
        "right": across.round().tolist(),
        "up": along.round().tolist(),
        "step": step,
        "displacements": base64.b64encode(codes.contiguous().numpy().tobytes()).decode(),
    }


def _data_url(picture: np.ndarray, form: str, **options) -> str:
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, form, **options)
    return f"data:image/{form};base64,{base64.b64encode(stream.getvalue()).decode()}"


def _length(plane: dict) -> int:
    return sum(map(len, plane["sheets"].values())) + len(plane["lattice"]["displacements"])
