"""One pair as every tool of a comparison gets it, and its scores."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from monai.data import MetaTensor

from ...data.volume import read_volume
from ...metrics.scores import registration_scores
from ...transforms.centered_region import AddAlignmentd, padded_grid
from ...world.grid import Grid, on_grid
from ...world.resample import ddf_to_field_mm, resample


@dataclass
class RegionPair:
    """Images and labels of a pair on their own grids, and the centered cubes of 1 mm voxels on which it is scored.

    Args:
        fixed: (1, X, Y, Z), MetaTensor.
        moving: (1, X', Y', Z'), MetaTensor.
        fixed_label: (1, X, Y, Z).
        moving_label: (1, X', Y', Z').
        pad_mm: edge of the cubes; their centers, not the world positions of the images, correspond.
    """

    fixed: MetaTensor
    moving: MetaTensor
    fixed_label: MetaTensor
    moving_label: MetaTensor
    pad_mm: int = 64
    grid: Grid = field(init=False)
    moving_grid: Grid = field(init=False)

    def __post_init__(self):
        self.grid = padded_grid(self.fixed, self.pad_mm)
        self.moving_grid = padded_grid(self.moving, self.pad_mm)

    @classmethod
    def read(cls, pair: Mapping[str, str], pad_mm: int = 64) -> "RegionPair":
        """The pair of four files under fixed, moving, fixed_label, moving_label."""
        return cls(*(read_volume(pair[key]) for key in ("fixed", "moving", "fixed_label", "moving_label")), pad_mm)

    def padded(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Fixed and moving image on their cubes, (pad, pad, pad), 0 outside, in units of their 99.9th percentile."""
        volumes = []
        for image, grid in ((self.fixed, self.grid), (self.moving, self.moving_grid)):
            volume = resample(image, Grid.from_image(image), grid)[0]
            volumes.append(volume / image.as_tensor().flatten().quantile(0.999).clamp(min=1e-6))
        return volumes[0], volumes[1]

    def field_of(self, ddf: torch.Tensor) -> MetaTensor:
        """World field of a ddf between the cubes: (3, pad, pad, pad) voxels → (3, pad, pad, pad) RAS mm.

        The moving cube lies elsewhere than the fixed one, so a ddf of 0 gives the shift between them.
        """
        field_mm = on_grid(ddf_to_field_mm(ddf.float(), self.grid, self.grid), self.grid, like=self.fixed)
        alignment = self.moving_grid.affine @ torch.linalg.inv(self.grid.affine)
        return AddAlignmentd()({"field_mm": field_mm, "alignment": alignment})["field_mm"]

    def scores(self, field_mm: MetaTensor, num_structures: int = 2) -> dict[str, float]:
        """Scores on the fixed cube, see :func:`~common.metrics.scores.registration_scores`.

        Args:
            field_mm: (3, pad, pad, pad), RAS mm, from the fixed image's world to the moving image's.
            num_structures: labels 1 to this number are scored.

        Returns:
            Name → score.
        """
        label = resample(self.fixed_label, Grid.from_image(self.fixed_label), self.grid, mode="nearest")
        fixed_label = on_grid(label, self.grid, like=self.fixed_label)
        return registration_scores(field_mm, fixed_label, self.moving_label, num_structures)
