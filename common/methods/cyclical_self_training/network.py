"""Registration by features, correlation and one coupled convex solve."""

from collections.abc import Sequence

import torch
from torch import nn

from ...fields.lattice import refine_lattice
from ...weights import keep_settings
from .correlation import smooth_correlation
from .coupled_convex import COUPLINGS, SHARPNESS, coupled_convex
from .smoothing import box_smooth


def smooth_refine(
    field: torch.Tensor,
    stride: float,
    offset: float,
    shape: list[int],
    new_stride: float = 1.0,
    zero_border: bool = True,
) -> torch.Tensor:
    """Interpolate a field from feature cells to a finer lattice: twice (×2, two box means), then to the target.

    Each cell becomes two per axis around its own center, so a lattice (s, o) turns into (s/2, o − s/4).

    Args:
        field: (B, 3, *cells).
        stride: of the cells, voxels.
        offset: of the cells, voxels.
        shape: nodes of the result, which has offset 0.
        new_stride: of the result, voxels.
        zero_border: see :func:`~common.methods.cyclical_self_training.smoothing.box_smooth`.

    Returns:
        (B, 3, *shape), in the unit of ``field``.

    Example:
        >>> smooth_refine(torch.ones(1, 3, 4, 4, 4), 4, 0, [16, 16, 16], zero_border=False).unique().round().tolist()
        [1.0]
    """
    for _ in range(2):
        doubled = [2 * field.size(2), 2 * field.size(3), 2 * field.size(4)]
        field = refine_lattice(field, stride, offset, doubled, stride / 2, offset - stride / 4)
        field = box_smooth(field, 2, zero_border)
        offset, stride = offset - stride / 4, stride / 2
    return refine_lattice(field, stride, offset, shape, new_stride, 0.0)


class ConvexRegistration(nn.Module):
    """Displacement field of a pair: `image` (B, 2, *spatial) → `pred` (B, 3, *spatial).

    Features of both images, their smoothed correlation, a coupled convex solve, interpolation to voxels. Refinement by
    consistency, a second warp and Adam is :class:`~.inferer.RefinedInferer`, which calls
    :meth:`features`, :meth:`match` and :meth:`to_voxels`.

    Args:
        feature_extractor: one image → fine and coarse features, with their strides and offsets as attributes.
        radius: largest displacement, cells of the coarse features.
        feature_scale: factor of the features before matching.
        couplings: of :func:`~common.methods.cyclical_self_training.coupled_convex.coupled_convex`.
        sharpness: δ of the soft argmin.
        zero_border: whether means over neighbors see zeros outside, as in the authors' code.

    Example:
        >>> from common.methods.cyclical_self_training.features import FeatureNetwork
        >>> network = ConvexRegistration(FeatureNetwork(strides=(2, 1, 2, 1, 1)), radius=1)
        >>> network(torch.rand(1, 2, 16, 24, 16)).shape
        torch.Size([1, 3, 16, 24, 16])

    Reference:
        Bigalke et al., MICCAI 2023, section 2.3.1, with the constants of the authors' code.
    """

    def __init__(
        self,
        feature_extractor: nn.Module,
        radius: int = 2,
        feature_scale: float = 5.0,
        couplings: Sequence[float] = COUPLINGS,
        sharpness: float = SHARPNESS,
        zero_border: bool = True,
    ):
        super().__init__()
        self.feature_extractor = feature_extractor
        self.radius, self.feature_scale, self.sharpness = radius, feature_scale, sharpness
        self.couplings, self.zero_border = list(couplings), zero_border
        self.stride, self.offset = int(feature_extractor.stride), float(feature_extractor.offset)
        self.fine_stride = int(feature_extractor.fine_stride)
        self.fine_offset = float(feature_extractor.fine_offset)
        keep_settings(self, feature_scale=feature_scale, zero_border=zero_border)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Field of fixed (channel 0) and moving (channel 1).

        Args:
            image: (B, 2, *spatial), sizes multiples of the coarse stride.

        Returns:
            ddf, (B, 3, *spatial), voxels.
        """
        _, fixed = self.features(image[:, :1])
        _, moving = self.features(image[:, 1:])
        return self.to_voxels(self.match(fixed, moving), list(image.shape[2:]), 1)

    @torch.jit.export
    def features(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Fine and coarse features of images (B, 1, *spatial)."""
        return self.feature_extractor(image)

    @torch.jit.export
    def match(self, fixed: torch.Tensor, moving: torch.Tensor) -> torch.Tensor:
        """Field between coarse features, (B, C, *cells) each: (B, 3, *cells), cells."""
        costs = self.costs(fixed, moving)
        return coupled_convex(costs, self.radius, self.couplings, self.sharpness, self.zero_border)

    def costs(self, fixed: torch.Tensor, moving: torch.Tensor) -> torch.Tensor:
        """Matching cost of each displacement, (B, (2 radius + 1)³, *cells)."""
        return smooth_correlation(
            self.feature_scale * fixed.float(),
            self.feature_scale * moving.float(),
            self.radius,
            zero_border=self.zero_border,
        )

    @torch.jit.export
    def to_voxels(self, field: torch.Tensor, shape: list[int], new_stride: int = 1) -> torch.Tensor:
        """Field in cells → voxels, on every ``new_stride``-th voxel: (B, 3, *cells) → (B, 3, *shape)."""
        refined = smooth_refine(field, float(self.stride), self.offset, shape, float(new_stride), self.zero_border)
        return self.stride * refined
