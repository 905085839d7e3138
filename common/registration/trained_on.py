"""What a bundle was trained on, as its metadata.json declares it, and how a pair differs from that."""

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from monai.data import MetaTensor

from ..world.alignment import initial_alignment
from ..world.grid import Grid
from .contrast import Contrast
from .small_pair import SmallPair

KEY = "trained_on"
ROOM = 1.5  # factor beyond the declared range of a length that is let pass


@dataclass(frozen=True)
class TrainedOn:
    """What a bundle was trained on.

    Args:
        name: of the bundle.
        modality: such as "MR T1".
        body_part: such as "head".
        extent_mm: longest edge of the foreground, least and largest.
        spacing_mm: voxel size, least and largest.
        displacement_mm: largest mean displacement of a pair, and distance of its objects at the start.
        num_contrasts: 1 for pairs of one contrast, 2 for pairs of two.
    """

    name: str
    modality: str
    body_part: str
    extent_mm: tuple[float, float]
    spacing_mm: tuple[float, float]
    displacement_mm: float
    num_contrasts: int

    @classmethod
    def read(cls, bundle_root: str | Path) -> "TrainedOn | None":
        """What a bundle declares; None where it declares nothing."""
        path = Path(bundle_root) / "configs" / "metadata.json"
        entry = json.loads(path.read_text(encoding="utf-8")).get(KEY) if path.is_file() else None
        if entry is None:
            return None
        try:
            return cls(name=Path(bundle_root).resolve().name, **entry)
        except TypeError as error:
            raise ValueError(f"{path}: {KEY}: {error}") from error

    def differences(self, fixed: MetaTensor, moving: MetaTensor, contrast: Contrast) -> list[str]:
        """Sentences that say what of a pair the bundle does not know.

        Args:
            fixed: (1, X, Y, Z).
            moving: (1, X', Y', Z'), its world about that of ``fixed``.
            contrast: of the pair.
        """
        values = {
            "a body of": (extent_mm(SmallPair.read(fixed, moving)), self.extent_mm),
            "voxels of": (max(Grid.from_image(fixed).spacing), self.spacing_mm),
        }
        found = [
            f"{self.name}: expected {name} {low:g} to {high:g} mm, as it was trained on ({self.modality},"
            f" {self.body_part}), got {value:.3g} mm"
            for name, (value, (low, high)) in values.items()
            if not low / ROOM <= value <= high * ROOM
        ]
        apart = initial_alignment("moments", fixed, moving)[:3, 3].norm().item()
        if apart > self.displacement_mm * ROOM:
            found.append(
                f"{self.name}: expected objects that begin at most {self.displacement_mm:g} mm apart, as far as it was"
                f" trained to move them, got {apart:.3g} mm between their centers"
            )
        number = 1 if contrast.is_one else 2
        if contrast.agreement == contrast.agreement and number != self.num_contrasts:
            words = {1: "images of one contrast", 2: "images of two contrasts"}
            found.append(f"{self.name}: expected {words[self.num_contrasts]}, got {words[number]}")
        return found

    def too_far(self, field_mm: torch.Tensor) -> list[str]:
        """A sentence where a field moves its points farther apart, on average, than those of the training.

        Args:
            field_mm: (3, X, Y, Z), RAS mm; a shift that all points share is left out, since centers may have been laid
                on each other.
        """
        shift = field_mm.mean(dim=(1, 2, 3), keepdim=True)
        mean_mm = (field_mm - shift).norm(dim=0).mean().item()
        if mean_mm <= self.displacement_mm * ROOM:
            return []
        return [
            f"{self.name}: expected displacements of at most {self.displacement_mm:g} mm on average, as in its"
            f" training, got {mean_mm:.3g} mm"
        ]


def extent_mm(pair: SmallPair) -> float:
    """Longest edge of the box around the foreground of the fixed image, mm; 0 where there is none."""
    where = pair.foreground[0, 0].nonzero()
    if not len(where):
        return 0.0
    edges = where.amax(dim=0) - where.amin(dim=0) + 1
    return max(n * size for n, size in zip(edges.tolist(), pair.grid.spacing, strict=True))
