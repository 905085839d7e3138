"""Where a registration begins: an alignment by rule, or a transform that is known."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from monai.data import MetaTensor

from ..world.alignment import INITS, initial_alignment
from ..world.chain import Chain, FieldMap
from ..world.grid import Grid
from ..world.maps import affine_after_field
from ..world.transform_files import INVERSE, RESULT_FIELD, read_chain, transform_names
from .checksum import content_sha256


@dataclass(frozen=True)
class Start:
    """p ↦ A (p + u(p)).

    Args:
        matrix: A, (4, 4), float64, RAS mm.
        field_mm: u, (3, X, Y, Z), RAS mm, on the fixed image's grid; None stands for zero.
    """

    matrix: torch.Tensor
    field_mm: torch.Tensor | None = None


class Init:
    """A word or transforms with which registrations begin.

    Args:
        given: "world", "center" or "moments", see :func:`~common.world.alignment.initial_alignment`; or transforms from
            the fixed image's world to the moving one's, see :func:`~common.world.transform_files.read_chain`.

    Attributes:
        files: of the transforms; none for a word.

    Raises:
        ValueError: for a word that is neither, or a file that holds no transform.
        FileNotFoundError: where one of several files is missing.
    """

    def __init__(self, given: str | os.PathLike | Sequence[str | os.PathLike]) -> None:
        self.chain: Chain | None = None
        self.files: list[Path] = []
        self.settings: dict[str, str] = {"init": str(given)}
        if given in INITS:
            return
        if isinstance(given, str) and not any(_file(name).exists() for name in transform_names(given)):
            raise ValueError(f"init: expected {', '.join(INITS)}, or a file of a transform, got {given!r}")
        self.chain = read_chain(given)
        self.files = [_content(name) for name in transform_names(given)]
        self.settings = {"init": ",".join(_absolute(name) for name in transform_names(given))}
        self.settings["init_sha256"] = ",".join(map(content_sha256, self.files))

    def __call__(self, fixed: MetaTensor, moving: MetaTensor) -> Start:
        """Where a pair begins; of a transform with a field, A is the affine map nearest to it."""
        if self.chain is None:
            return Start(initial_alignment(self.settings["init"], fixed, moving))
        if self.chain.matrix is not None:
            return Start(self.chain.matrix)
        grid = Grid.from_image(fixed)
        total = FieldMap(self.chain.field_on(grid), grid)
        back = torch.linalg.inv(total.linear_part)
        return Start(total.linear_part, affine_after_field(back, total.field_mm, grid))


def _file(name: str) -> Path:
    return Path(name.removeprefix(INVERSE)).expanduser()


def _absolute(name: str) -> str:
    return (INVERSE if name.startswith(INVERSE) else "") + str(_file(name).absolute())


def _content(name: str) -> Path:
    path = _file(name)
    return path / RESULT_FIELD if path.is_dir() else path
