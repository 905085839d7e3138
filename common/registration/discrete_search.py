"""Discrete search of one pair: coupled convex optimization over MIND-SSC descriptors, before a refinement or alone."""

from dataclasses import dataclass

import torch
from monai.data import MetaTensor

from ..fields.compose import compose
from ..fields.world import Grid
from ..inferers.refined import RefinedInferer
from ..networks.convex_registration import ConvexRegistration
from ..networks.feature_network import MindFeatures
from .levels import LevelPair, coarse_to_fine, level_grids

STRIDE = 2  # voxels per cell
CONSISTENCY_ITERATIONS = 15


@dataclass(frozen=True)
class DiscreteSearch:
    """Settings of a search. One pass reaches 2 · ``radius`` voxels of its level along every axis.

    Args:
        num_passes: on each level; every pass registers what the ones before have warped.
        num_levels: image resolutions, each half as fine as the next; more reach farther.
        radius: of the displacements that are tried, in cells of 2 voxels; (2 · radius + 1)³ of them.
        spacing_mm: voxel size of the finest level; 0 takes the fixed image's, or what keeps it below
            three million voxels.
    """

    num_passes: int = 2
    num_levels: int = 1
    radius: int = 2
    spacing_mm: float = 0.0

    def __post_init__(self):
        if min(self.num_passes, self.num_levels, self.radius) < 1 or self.spacing_mm < 0:
            raise ValueError(
                "search: expected num_passes, num_levels and radius ≥ 1 and spacing_mm ≥ 0, got"
                f" {self.num_passes}, {self.num_levels}, {self.radius} and {self.spacing_mm}"
            )


def search(
    fixed: MetaTensor,
    moving: MetaTensor,
    field_mm: torch.Tensor | None,
    settings: DiscreteSearch,
    device: torch.device | str = "cpu",
) -> torch.Tensor:
    """Improve a field by trying all displacements of a cube at once; contrasts may differ.

    Where a gradient leads into a near minimum, the search finds the best of (2 · radius + 1)³ displacements per cell
    that are smooth together.

    Args:
        fixed: (1, X, Y, Z).
        moving: (1, X', Y', Z'), its affine such that its world is about that of ``fixed``.
        field_mm: (3, X, Y, Z), RAS mm, on the grid of ``fixed``; None stands for zero.
        settings: see :class:`DiscreteSearch`.
        device: where to compute.

    Returns:
        (3, X, Y, Z), RAS mm, on the grid of ``fixed``.

    Raises:
        ValueError: for images with fewer cells along an axis than the radius.

    Reference:
        Heinrich et al., MICCAI 2014; the constants of Siebert & Heinrich, WBIR 2022.
    """
    network = ConvexRegistration(MindFeatures(STRIDE), settings.radius, zero_border=False).eval().to(device)
    inferer = RefinedInferer(1, CONSISTENCY_ITERATIONS, num_adam_iterations=0)

    def improve(level: int, pair: LevelPair, ddf: torch.Tensor) -> torch.Tensor:
        for _ in range(settings.num_passes):
            ddf = compose(ddf, inferer(torch.cat([pair.fixed, pair.warped(ddf)], dim=1), network))
        return ddf

    grids = level_grids(Grid.from_image(fixed), settings.num_levels, settings.spacing_mm)
    with torch.no_grad():
        return coarse_to_fine(fixed, moving, field_mm, grids, improve, device)
