"""Affine maps on disk, as ITK, ANTs and 3D Slicer read them."""

import os
import re
from pathlib import Path

import torch

from ..atomic import write_atomically
from ..fields.io import RAS_TO_LPS

HEADER = "#Insight Transform File V1.0\n#Transform 0\nTransform: AffineTransform_double_3_3\n"


def save_affine(path: str | os.PathLike, matrix: torch.Tensor) -> None:
    """Write a world matrix as an ITK text transform: from fixed to moving points, LPS mm.

    The 12 parameters are the rows of the linear part, then the translation; the center of rotation is the origin.

    Args:
        path: file that ends in .tfm.
        matrix: (4, 4), RAS mm.

    Example:
        >>> import tempfile
        >>> path, matrix = tempfile.mkdtemp() + "/affine.tfm", torch.eye(4).double()
        >>> matrix[0, 3] = 2.5
        >>> save_affine(path, matrix)
        >>> Path(path).read_text().splitlines()[3]
        'Parameters: 1 0 0 0 1 0 0 0 1 -2.5 0 0'
        >>> load_affine(path)[0, 3].item()
        2.5
    """
    flip = torch.diag(torch.tensor([*RAS_TO_LPS.tolist(), 1.0], dtype=torch.float64))
    lps = flip @ matrix.double().cpu() @ flip
    # Adding 0 turns −0 into 0.
    parameters = [value + 0.0 for value in (*lps[:3, :3].flatten().tolist(), *lps[:3, 3].tolist())]
    text = f"{HEADER}Parameters: {' '.join(f'{value:.17g}' for value in parameters)}\nFixedParameters: 0 0 0\n"
    write_atomically(path, lambda stream: stream.write(text.encode()))


def load_affine(path: str | os.PathLike) -> torch.Tensor:
    """Read an ITK text transform of one map with a matrix: 12 parameters.

    Args:
        path: what :func:`save_affine` or ITK wrote.

    Returns:
        (4, 4), float64, RAS mm.

    Raises:
        ValueError: for another kind of transform; names the file.
    """
    text = Path(path).read_text()
    values = {
        name: [float(value) for value in found[1].split()]
        for name in ("Parameters", "FixedParameters")
        if (found := re.search(rf"^{name}: (.*)$", text, flags=re.MULTILINE))
    }
    if len(values.get("Parameters", [])) != 12 or text.count("Transform: ") != 1:
        raise ValueError(f"{path}: expected one ITK transform of 12 parameters, got another file")
    matrix = torch.eye(4, dtype=torch.float64)
    matrix[:3, :3] = torch.tensor(values["Parameters"][:9], dtype=torch.float64).view(3, 3)
    center = torch.tensor(values.get("FixedParameters", [0.0] * 3), dtype=torch.float64)
    matrix[:3, 3] = torch.tensor(values["Parameters"][9:], dtype=torch.float64) + center - matrix[:3, :3] @ center
    flip = torch.diag(torch.tensor([*RAS_TO_LPS.tolist(), 1.0], dtype=torch.float64))
    return flip @ matrix @ flip
