"""The images of one pair as every tool of a comparison gets them: nothing in them tells the answer."""

from dataclasses import dataclass

import torch
from monai.data import MetaTensor

from ...transforms.centered_region import AddAlignmentd
from ...world.grid import Grid, on_grid
from ...world.resample import ddf_to_field_mm, resample


@dataclass
class ImagePair:
    """Two images on their own grids, and two grids of one shape for tools that know no world.

    Args:
        fixed: (1, X, Y, Z), MetaTensor.
        moving: (1, X', Y', Z'), MetaTensor.
        grid: where the result is scored.
        moving_grid: of the same shape; its voxels and those of ``grid`` correspond before the registration.
    """

    fixed: MetaTensor
    moving: MetaTensor
    grid: Grid
    moving_grid: Grid

    def arrays(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Fixed and moving image on their grids, (X, Y, Z), 0 outside, in units of their 99.9th percentile."""
        volumes = []
        for image, grid in ((self.fixed, self.grid), (self.moving, self.moving_grid)):
            volume = resample(image, Grid.from_image(image), grid)[0]
            volumes.append(volume / image.as_tensor().flatten().quantile(0.999).clamp(min=1e-6))
        return volumes[0], volumes[1]

    def field_of(self, ddf: torch.Tensor) -> MetaTensor:
        """World field of a ddf between the grids: (3, X, Y, Z) voxels → (3, X, Y, Z) RAS mm.

        Where the moving grid lies elsewhere than the fixed one, a ddf of 0 gives the shift between them.
        """
        field_mm = on_grid(ddf_to_field_mm(ddf.float(), self.grid, self.grid), self.grid, like=self.fixed)
        alignment = self.moving_grid.affine @ torch.linalg.inv(self.grid.affine)
        return AddAlignmentd()({"field_mm": field_mm, "alignment": alignment})["field_mm"]
