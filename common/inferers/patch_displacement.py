"""A dense field from patch-wise displacement classification on a sliding grid over the axial slices."""

import math
from collections.abc import Callable, Sequence

import torch
from monai.inferers import Inferer
from monai.networks.layers import GaussianFilter
from torch.nn import functional

from ..data.displacement_patches import PatchSource, class_offsets, patch_lattice, read_patches
from ..fields.compose import compose
from ..fields.warp import warp


def control_points(spatial_shape: Sequence[int], stride_voxels: Sequence[float]) -> torch.Tensor:
    """Regular lattice from the first to the last voxel of each axis, at most `stride_voxels` apart.

    Returns:
        (gx, gy, gz, 3), voxels.

    Example:
        >>> control_points([9, 9, 1], [4, 8, 1])[..., 0].flatten().tolist()
        [0.0, 0.0, 4.0, 4.0, 8.0, 8.0]
    """
    axes = [
        torch.linspace(0, size - 1, math.ceil((size - 1) / stride) + 1)
        for size, stride in zip(spatial_shape, stride_voxels, strict=True)
    ]
    return torch.stack(torch.meshgrid(axes, indexing="ij"), dim=-1)


def expected_displacement(logits: torch.Tensor) -> torch.Tensor:
    """Displacement that registers a patch pair, u = −Σ_c p_c · o_c with p = softmax(logits): (N, C) → (N, D) voxels.

    Example:
        >>> expected_displacement(100.0 * torch.eye(25)[:1]).tolist()
        [[38.0, 38.0]]
    """
    spatial_dims = round(math.log(logits.shape[1], 5))
    return -logits.softmax(dim=1) @ class_offsets(spatial_dims).to(logits)


def confidence(logits: torch.Tensor) -> torch.Tensor:
    """1 − H(p) / log C: (N, C) → (N,), 1 for a certain class and 0 for a uniform guess.

    Example:
        >>> confidence(torch.zeros(1, 25)).abs().round(decimals=4).tolist()
        [0.0]
    """
    entropy = torch.distributions.Categorical(logits=logits).entropy()
    return 1 - entropy / math.log(logits.shape[1])


def smooth_by_confidence(displacement: torch.Tensor, weight: torch.Tensor, sigma: Sequence[float]) -> torch.Tensor:
    """Normalized convolution, G ∗ (w · u) / (G ∗ w), with a Gaussian G.

    Args:
        displacement: (D, *grid).
        weight: (1, *grid), ≥ 0.
        sigma: standard deviation per axis, in control points.

    Returns:
        (D, *grid); 0 where no weight is in reach.
    """
    gaussian = GaussianFilter(spatial_dims=weight.ndim - 1, sigma=list(sigma))
    total = gaussian(weight[None])[0]
    return gaussian((weight * displacement)[None])[0] / total.clamp(min=1e-6)


class PatchDisplacementInferer(Inferer):
    """Field on the network grid from a :class:`~..networks.displacement_classifier.DisplacementClassifier`.

    At every control point the network sees the fixed and the moving patch of one place; the expected displacements are
    smoothed with their confidences as weights and interpolated to all voxels. Displacements lie in the axial plane.

    Args:
        fixed_normalization: "volume" or "patch", as the contrast of the fixed image was trained.
        moving_normalization: the same for the moving image.
        stride_voxels: distance of control points along each axis of the network grid.
        sigma_voxels: of the smoothing, per axis.
        num_passes: how often the field is estimated; each pass after the first sees the moving image warped so far.
        batch_size: patch pairs per network call.
    """

    def __init__(
        self,
        fixed_normalization: str = "volume",
        moving_normalization: str = "patch",
        stride_voxels: Sequence[float] = (10, 10, 6),
        sigma_voxels: Sequence[float] = (12, 12, 12),
        num_passes: int = 1,
        batch_size: int = 256,
    ) -> None:
        super().__init__()
        self.normalizations = (fixed_normalization, moving_normalization)
        self.stride_voxels, self.sigma_voxels = stride_voxels, sigma_voxels
        self.num_passes, self.batch_size = num_passes, batch_size

    def __call__(self, inputs: torch.Tensor, network: Callable, *args, **kwargs) -> torch.Tensor:
        """Register pairs: (B, 2, X, Y, Z) intensities, fixed first → ddf (B, 3, X, Y, Z) in voxels."""
        return torch.stack([self._register(image, network) for image in inputs])

    def _register(self, image: torch.Tensor, network: Callable) -> torch.Tensor:
        fixed, moving = image[:1], image[1:]
        ddf = self._estimate(fixed, moving, network)
        for _ in range(self.num_passes - 1):
            update = self._estimate(fixed, warp(moving[None], ddf[None])[0], network)
            ddf = compose(ddf[None], update[None])[0]
        return ddf

    def _estimate(self, fixed: torch.Tensor, moving: torch.Tensor, network: Callable) -> torch.Tensor:
        spatial_shape = fixed.shape[1:]
        points = control_points(spatial_shape, self.stride_voxels).to(fixed)
        logits, content = self._classify(fixed, moving, points.reshape(-1, 3), network)
        grid = points.shape[:3]
        displacement = functional.pad(expected_displacement(logits), (0, 1)).T.reshape(3, *grid)
        weight = (confidence(logits) * content).reshape(1, *grid)
        steps = [max((n - 1) / max(m - 1, 1), 1e-6) for n, m in zip(spatial_shape, grid, strict=True)]
        sigma = [s / step for s, step in zip(self.sigma_voxels, steps, strict=True)]
        coarse = smooth_by_confidence(displacement, weight, sigma)
        return functional.interpolate(coarse[None], size=tuple(spatial_shape), mode="trilinear", align_corners=True)[0]

    def _classify(self, fixed, moving, points: torch.Tensor, network: Callable) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits (N, 25) and the share of each fixed patch that is not background (N,)."""
        lattice = patch_lattice(2).to(points)
        pair = [PatchSource([v], n) for v, n in zip((fixed, moving), self.normalizations, strict=True)]
        mask = (fixed != 0).float()
        logits, content = [], []
        for chunk in points.split(self.batch_size):
            coordinates = chunk[:, None, None] + lattice
            logits.append(network(torch.stack([source.read(0, coordinates) for source in pair], dim=1)))
            content.append(read_patches(mask, coordinates).mean(dim=(1, 2)))
        return torch.cat(logits), torch.cat(content)
