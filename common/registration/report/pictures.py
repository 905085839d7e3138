"""Slices of a volume as pictures that lie inside a page."""

import base64
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image

from ...quantiles import robust_range
from .preview import Preview

TILE_MULTIPLE = 16  # pixels; blocks of JPEG then belong to one slice


@dataclass(frozen=True)
class Plane:
    """One of the three planes of a volume in RAS order.

    Args:
        name: axial, coronal or sagittal.
        axis: through the plane.
        right: axis to the right.
        up: axis upwards.
    """

    name: str
    axis: int
    right: int
    up: int


SAGITTAL, CORONAL, AXIAL = Plane("sagittal", 0, 1, 2), Plane("coronal", 1, 0, 2), Plane("axial", 2, 0, 1)
PLANES = (SAGITTAL, CORONAL, AXIAL)  # in the order of their axes


def gray_volumes(view: Preview) -> dict[str, torch.Tensor]:
    """Fixed, moving and warped in 0 to 255; the last two share their range."""
    low, high = _range(view.fixed)
    gray = {"fixed": _scaled(view.fixed, low, high)}
    reached = view.warped[view.inside > 0.5]
    low, high = _range(reached if reached.numel() else view.before)
    return gray | {"moving": _scaled(view.before, low, high), "warped": _scaled(view.warped, low, high)}


def slice_picture(volume: torch.Tensor, plane: Plane, index: int) -> np.ndarray:
    """A slice as rows of pixels, the upward axis up: (height, width).

    Example:
        >>> slice_picture(torch.arange(4).view(2, 2, 1), AXIAL, 0).tolist()
        [[1, 3], [0, 2]]
    """
    return volume.select(plane.axis, index).T.flip(0).numpy()


def sheet(volume: torch.Tensor, plane: Plane, indices: Sequence[int], tile: Sequence[int], columns: int) -> np.ndarray:
    """Slices side by side in rows.

    Args:
        volume: (X, Y, Z), uint8.
        plane: of the slices.
        indices: of the slices along its axis.
        tile: width and height that each slice gets, pixels.
        columns: slices per row.

    Returns:
        (height, width), uint8; 0 beside the slices.
    """
    rows = math.ceil(len(indices) / columns)
    pixels = np.zeros((rows * tile[1], columns * tile[0]), dtype=np.uint8)
    for number, index in enumerate(indices):
        picture = slice_picture(volume, plane, index)
        y, x = number // columns * tile[1], number % columns * tile[0]
        pixels[y : y + picture.shape[0], x : x + picture.shape[1]] = picture
    return pixels


def tile_of(size: Sequence[int]) -> list[int]:
    """Width and height of a slice on a sheet, whole blocks of JPEG.

    Example:
        >>> tile_of((160, 181))
        [160, 192]
    """
    return [math.ceil(length / TILE_MULTIPLE) * TILE_MULTIPLE for length in size]


def data_url(picture: np.ndarray, form: str, **options) -> str:
    """A picture of (height, width), uint8, as the address of itself; ``options`` as Pillow has them for the form."""
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, form, **options)
    return f"data:image/{form};base64,{base64.b64encode(stream.getvalue()).decode()}"


def _range(image: torch.Tensor) -> tuple[float, float]:
    low, high = robust_range(image, (0.005, 0.995))
    return low.item(), high.item()


def _scaled(image: torch.Tensor, low: float, high: float) -> torch.Tensor:
    return ((image - low) / max(high - low, 1e-12) * 255).clamp(0, 255).round().to(torch.uint8)
