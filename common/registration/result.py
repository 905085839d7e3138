"""The result of a registration: a map between two images, with what it was made with, a verdict, and its files."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from monai.data import MetaTensor

from ..data.volume import input_image, input_volume
from ..metrics.regularity import determinant_of_field_mm
from ..world.files import load_field
from ..world.grid import Grid, image_name, on_grid
from ..world.maps import WorldMap
from ..world.transform_files import read_transform
from .contrast import Contrast
from .evidence import evidence
from .fitting import fitted
from .guidance import NO_GUIDANCE, Guidance
from .outputs import Annotations, Request, read_annotations, save_registration
from .plane import solid
from .result_folder import read_result
from .verdict import Verdict, verdict_of


@dataclass(eq=False, repr=False)
class Registration(WorldMap):
    """A :class:`~common.world.maps.WorldMap` that a registrar has found.

    Args:
        settings: what it was made with, for the records.
        seconds: how long it took.
        contrast: what the images show; None where nobody has looked.
        doubts: sentences that say what of the pair a bundle does not know.
        alignment: which alignment was taken and why, see :class:`~common.solvers.affine.Alignment`.
        warnings: what was told of the files.
        guidance: masks, labels and landmarks that took part.
    """

    settings: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    contrast: Contrast | None = None
    doubts: tuple[str, ...] = ()
    alignment: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    guidance: Guidance = NO_GUIDANCE

    @cached_property
    def verdict(self) -> Verdict:
        """Good, doubtful or failed, without labels; ``save`` also counts labels and landmarks where they are given."""
        whole = solid(self)
        guidance = self.guidance.solid() if whole is not self else self.guidance
        determinant = determinant_of_field_mm(whole.field.as_tensor(), whole.grid)
        return verdict_of(evidence(whole, determinant, guidance), doubts=self.doubts)

    @classmethod
    def load(
        cls,
        output_dir: str | os.PathLike,
        fixed: str | os.PathLike | MetaTensor = "",
        moving: str | os.PathLike | MetaTensor = "",
    ) -> "Registration":
        """Read a saved registration.

        Args:
            output_dir: folder that :meth:`save` or scripts/register.py wrote.
            fixed: the fixed image, where it lies elsewhere by now.
            moving: the moving image, where it lies elsewhere by now.

        Raises:
            FileNotFoundError: where the folder holds no registration, or an image or mask is no longer there.
            ValueError: where the fixed image has another grid than the field.
        """
        folder = Path(output_dir).expanduser()
        metrics = read_result(folder)
        if metrics is None or "initial" not in metrics:
            raise FileNotFoundError(
                f"{folder}: expected a registration with its metrics.json, of this version, got none"
            )
        settings = metrics["settings"]
        images = [
            input_image(image or metrics[name], settings.get("header", ""), settings.get("frame"))
            for name, image in (("fixed", fixed), ("moving", moving))
        ]
        field_mm, grid = load_field(folder / "field.nii.gz")
        if not grid.coincides_with(Grid.from_image(images[0])):
            raise ValueError(
                f"{image_name(images[0], 'fixed')}: expected the grid of {folder}/field.nii.gz, got another"
            )
        initial = torch.tensor(metrics["initial"], dtype=torch.float64)
        affine = read_transform(folder / "affine.tfm").matrix
        field = on_grid(field_mm, grid, like=images[0])
        guidance = _masks(settings, *images)
        return cls(*images, field, initial, affine, settings, metrics["seconds"], guidance=guidance)

    def warp(
        self, image: str | os.PathLike | MetaTensor, mode: str = "bilinear", background: float | None = 0.0
    ) -> MetaTensor:
        """The warp of a world map, which also takes a NIfTI file; by the nearest voxel whole numbers stay exact."""
        return super().warp(input_volume(image, is_exact=mode == "nearest"), mode, background)

    def save(
        self, output_dir: str | os.PathLike, annotations: Annotations | dict | None = None, **request: bool
    ) -> dict[str, Any]:
        """Write all results, see :func:`~.outputs.save_registration`; ``request`` as :class:`~.outputs.Request`."""
        names = ("settings", "seconds", "contrast", "doubts", "alignment", "warnings", "guidance")
        facts = {name: getattr(self, name) for name in names}
        return save_registration(self, output_dir, annotations, Request(**request), facts)


def _masks(settings: Mapping[str, Any], fixed: MetaTensor, moving: MetaTensor) -> Guidance:
    """The masks that a registration was made with."""
    files = settings.get("annotations", {})
    masks = {name: files[name] for name in ("fixed_mask", "moving_mask") if files.get(name)}
    return Guidance.of(fitted(read_annotations(masks, settings.get("header", "")), fixed, moving))
