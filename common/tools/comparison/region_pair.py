"""A pair of labeled regions, to be scored by its structures."""

from collections.abc import Mapping

from monai.data import MetaTensor

from ...data.volume import read_volume
from ...metrics.scores import registration_scores
from ...transforms.centered_region import padded_grid
from ...world.grid import Grid, on_grid
from ...world.resample import resample
from .image_pair import ImagePair


class RegionPair:
    """Images and labels of a pair, and the centered cubes of 1 mm voxels on which it is scored.

    Args:
        fixed: (1, X, Y, Z), MetaTensor.
        moving: (1, X', Y', Z'), MetaTensor.
        fixed_label: (1, X, Y, Z).
        moving_label: (1, X', Y', Z').
        pad_mm: edge of the cubes; their centers, not the world positions of the images, correspond.
    """

    def __init__(
        self,
        fixed: MetaTensor,
        moving: MetaTensor,
        fixed_label: MetaTensor,
        moving_label: MetaTensor,
        pad_mm: int = 64,
    ) -> None:
        self.images = ImagePair(fixed, moving, padded_grid(fixed, pad_mm), padded_grid(moving, pad_mm))
        self.fixed_label, self.moving_label = fixed_label, moving_label

    @classmethod
    def read(cls, pair: Mapping[str, str], pad_mm: int = 64) -> "RegionPair":
        """The pair of four files under fixed, moving, fixed_label, moving_label."""
        return cls(*(read_volume(pair[key]) for key in ("fixed", "moving", "fixed_label", "moving_label")), pad_mm)

    def scores(self, field_mm: MetaTensor, num_structures: int = 2) -> dict[str, float]:
        """Scores on the fixed cube, see :func:`~common.metrics.scores.registration_scores`.

        Args:
            field_mm: (3, pad, pad, pad), RAS mm, from the fixed image's world to the moving image's.
            num_structures: labels 1 to this number are scored.

        Returns:
            Name → score.
        """
        grid = self.images.grid
        label = resample(self.fixed_label, Grid.from_image(self.fixed_label), grid, mode="nearest")
        fixed_label = on_grid(label, grid, like=self.fixed_label)
        return registration_scores(field_mm, fixed_label, self.moving_label, num_structures)
