"""Transforms by which the inference of a bundle warns of pairs that it was not trained for, and judges its results."""

import logging
import os
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import torch
from monai.data import MetaTensor
from monai.transforms import Transform

from ..files import write_json
from ..metrics.regularity import determinant_of_field_mm
from ..transforms.centered_region import ALIGNMENT_KEY
from ..transforms.network_grid import NATIVE_SUFFIX
from ..world.alignment import aligned, initial_alignment
from ..world.grid import image_name
from ..world.maps import WorldMap
from .contrast import contrast_of
from .evidence import evidence
from .trained_on import TrainedOn
from .verdict import verdict_of

DOUBTS_KEY, BUNDLE_KEY = "doubts", "bundle_root"
VERDICT_FILE = "verdict.json"
logger = logging.getLogger(__name__)


class WarnUntrainedd(Transform):
    """Compares a pair with what a bundle was trained on, and warns before anything is computed.

    Args:
        bundle_root: folder of the bundle, whose metadata.json tells.
        is_centered: whether the bundle lays the centers of the images on each other.
    """

    def __init__(self, bundle_root: str | os.PathLike, is_centered: bool = False) -> None:
        super().__init__()
        self.bundle_root, self.init = str(bundle_root), "center" if is_centered else "world"
        self.trained_on = TrainedOn.read(bundle_root)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """The item, with what was found as one text, and the bundle's folder."""
        doubts: list[str] = []
        if self.trained_on is not None:
            fixed, moving = data["fixed"], data["moving"]
            moving = aligned(moving, initial_alignment(self.init, fixed, moving))
            doubts = self.trained_on.differences(fixed, moving, contrast_of(fixed, moving))
        for doubt in doubts:
            logger.warning(f"{image_name(data['fixed'], 'fixed')}: {doubt}")
        return {**data, DOUBTS_KEY: "\n".join(doubts), BUNDLE_KEY: self.bundle_root}


class JudgeRegistrationd(Transform):
    """Judges a registration, see :func:`~.verdict.verdict_of`, logs the verdict and keeps it in verdict.json.

    After :class:`WarnUntrainedd` it counts what that found, and displacements larger than the bundle was trained on.

    Args:
        output_dir: folder of the files; those of a pair with a name lie in the subfolder of that name.
    """

    def __init__(self, output_dir: str | os.PathLike) -> None:
        super().__init__()
        self.output_dir = Path(output_dir)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """The item as it came."""
        fixed, moving, field_mm = (
            _on_cpu(data[key]) for key in (f"fixed{NATIVE_SUFFIX}", f"moving{NATIVE_SUFFIX}", "field_mm")
        )
        start = torch.as_tensor(data.get(ALIGNMENT_KEY, torch.eye(4))).cpu().double()
        world_map = WorldMap(fixed, moving, field_mm, start, start)
        measures = evidence(world_map, determinant_of_field_mm(field_mm.as_tensor(), world_map.grid))
        name = str(data.get("name", ""))
        verdict = verdict_of(measures, doubts=data.get(DOUBTS_KEY, "").splitlines() + _far(data, field_mm.as_tensor()))
        level = logging.INFO if verdict.grade == "good" else logging.WARNING
        logger.log(level, f"{name or image_name(fixed, 'pair')}: {verdict}")
        write_json(self.output_dir / name / VERDICT_FILE, verdict.facts)
        return dict(data)


def _far(data: Mapping[Hashable, Any], field_mm: torch.Tensor) -> list[str]:
    """Whether points were moved farther apart than in the training of the bundle that the item names."""
    trained_on = TrainedOn.read(data[BUNDLE_KEY]) if BUNDLE_KEY in data else None
    return [] if trained_on is None else trained_on.too_far(field_mm)


def _on_cpu(volume: MetaTensor) -> MetaTensor:
    return volume.detach().cpu()
