"""The result of a registration: a map between two images, with what it was made with, and its files."""

import os
from dataclasses import dataclass, field
from typing import Any

from monai.data import MetaTensor

from ..data.volume import input_label
from ..world.maps import WorldMap
from .outputs import Annotations, Request, save_registration


@dataclass(eq=False)
class Registration(WorldMap):
    """A :class:`~common.world.maps.WorldMap` that a registrar has found.

    Args:
        settings: what it was made with, for the records.
        seconds: how long it took.
    """

    settings: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0

    def warp(
        self, image: str | os.PathLike | MetaTensor, mode: str = "bilinear", background: float | None = 0.0
    ) -> MetaTensor:
        """The warp of a world map, which also takes a NIfTI file."""
        return super().warp(input_label(image), mode, background)

    def save(
        self, output_dir: str | os.PathLike, annotations: Annotations | dict | None = None, **request: bool
    ) -> dict[str, Any]:
        """Write all results, see :func:`~.outputs.save_registration`; ``request`` as :class:`~.outputs.Request`."""
        facts = {"settings": self.settings, "seconds": self.seconds}
        return save_registration(self, output_dir, annotations, Request(**request), facts)
