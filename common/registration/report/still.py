"""One small picture of a registration that needs no script: fixed, moving and warped side by side."""

import re
from pathlib import Path

import numpy as np
from PIL import Image

from .pictures import AXIAL, data_url, gray_volumes, slice_picture
from .preview import Preview

EDGE_PIXELS = 112  # of each of the three slices
GAP_PIXELS = 2
QUALITY = 70
HEAD_BYTES = 200_000  # of a report, in which its picture lies
PATTERN = re.compile(rb'<img class="still" src="(data:image/jpeg;base64,[A-Za-z0-9+/=]*)"')


def still(view: Preview) -> str:
    """The middle axial slices of fixed, moving (initial alignment) and warped image in radiological order.

    Returns:
        JPEG as a data URL, some 5 kB.
    """
    volumes = gray_volumes(view).values()
    slices = [slice_picture(volume, AXIAL, volume.shape[2] // 2)[:, ::-1] for volume in volumes]
    small = [_shrunk(picture) for picture in slices]
    gap = np.zeros((small[0].shape[0], GAP_PIXELS), dtype=np.uint8)
    return data_url(np.hstack([small[0], gap, small[1], gap, small[2]]), "jpeg", quality=QUALITY)


def still_of_report(path: Path) -> str:
    """The picture of a report on disk; "" where there is no report or none in it."""
    if not path.is_file():
        return ""
    with path.open("rb") as stream:
        found = PATTERN.search(stream.read(HEAD_BYTES))
    return found[1].decode() if found else ""


def _shrunk(picture: np.ndarray) -> np.ndarray:
    image = Image.fromarray(np.ascontiguousarray(picture))
    factor = EDGE_PIXELS / max(image.size)
    return np.asarray(image.resize([max(1, round(length * factor)) for length in image.size]))
