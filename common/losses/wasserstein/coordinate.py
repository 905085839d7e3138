"""Sliced Wasserstein distance of images as clouds of voxels in the space of position and intensity."""

import torch

from ...fields.sampling import identity_grid
from .directions import ProjectedLoss
from .sliced import sliced_wasserstein


def voxel_points(image: torch.Tensor, intensity_weight: float = 1.0) -> torch.Tensor:
    """Every voxel as a point (x_1, …, x_D, w · intensity), positions scaled to [0, 1] along the longest axis.

    Args:
        image: (B, 1, *spatial), any unit.
        intensity_weight: w, shares of the longest axis per unit of intensity.

    Returns:
        (B, voxels, D + 1).

    Example:
        >>> voxel_points(torch.tensor([[[[5.0], [6.0]]]]))[0].tolist()
        [[0.0, 0.0, 5.0], [1.0, 0.0, 6.0]]
    """
    spatial_shape = list(image.shape[2:])
    grid = identity_grid(spatial_shape, dtype=image.dtype, device=image.device) / max(max(spatial_shape) - 1, 1)
    position = grid.flatten(1).T.expand(len(image), -1, -1)
    return torch.cat([position, intensity_weight * image.flatten(1)[..., None]], dim=-1)


class CoordinateWassersteinLoss(ProjectedLoss):
    """Another reading of "projecting the N-dimensional distribution": :func:`.sliced.sliced_wasserstein` of all voxels.

    The points of both images have the same positions; matching an intensity elsewhere costs the way there.

    Args:
        num_projections: K.
        intensity_weight: of the intensity beside the position, see :func:`voxel_points`.
        power: p.
        spatial_dims: D.
        redraw: whether every call in training mode draws new directions.
        seed: of the directions.
    """

    def __init__(
        self,
        num_projections: int = 400,
        intensity_weight: float = 1.0,
        power: int = 2,
        spatial_dims: int = 3,
        redraw: bool = True,
        seed: int = 0,
    ):
        super().__init__(num_projections, spatial_dims + 1, power, redraw, seed)
        self.intensity_weight = intensity_weight

    def distance(self, warped: torch.Tensor, fixed: torch.Tensor, directions: torch.Tensor) -> torch.Tensor:
        """(B,), of images (B, 1, *spatial) along directions (K, D + 1)."""
        points = [voxel_points(image, self.intensity_weight) for image in (warped, fixed)]
        return sliced_wasserstein(*points, directions, self.power)
