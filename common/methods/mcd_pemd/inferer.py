"""A dense field from patch-wise displacement classification on a sliding grid."""

import math
from collections.abc import Callable, Sequence

import torch
from monai.inferers import Inferer
from monai.networks.layers import GaussianFilter
from monai.utils import convert_to_tensor, ensure_tuple_rep
from torch.nn import functional

from ...fields.ddf import compose, warp
from ...transforms.intensity import subtract_background
from ...words import one_of
from .affine_fit import affine_field, fit_affine
from .patches import PATCH_EXTENT, PatchSource, class_offsets

MODELS = ("smooth", "affine")
MIN_CONTENT = 0.05  # share of a patch; control points with less of the fixed image get no vote


def control_points(spatial_shape: Sequence[int], stride_voxels: Sequence[float]) -> torch.Tensor:
    """Lattice from the first to the last voxel of each axis, at most `stride_voxels` apart.

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


def sliding_patches(volume: torch.Tensor, spatial_dims: int) -> torch.Tensor:
    """View of the patch around every voxel, 0 beyond the border: (1, X, Y, Z) → (X, Y, Z, *39).

    A patch takes every second voxel of 77, in the axial plane or in all three axes. No memory is used before indexing.
    """
    half = PATCH_EXTENT // 2
    view = functional.pad(volume[0], (0, 0) * (3 - spatial_dims) + (half, half) * spatial_dims)
    for axis in range(spatial_dims):
        view = view.unfold(axis, PATCH_EXTENT, 1)[..., ::2]
    return view


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
    """Field on the network grid from a :class:`~.classifier.DisplacementClassifier`.

    At every control point that shows some of the fixed image the network sees the fixed and the moving patch of one
    place; the expected displacements are smoothed with their confidences as weights and interpolated to all voxels, or
    one affine map is fitted to them.
    With 2-D patches displacements lie in the axial plane, with 3-D patches (125 classes) they have three components.

    Args:
        fixed_normalization: "volume" or "patch", as the contrast of the fixed image was trained.
        moving_normalization: the same for the moving image.
        spatial_dims: of the patches, 2 or 3.
        stride_voxels: distance of control points, one number or one per axis of the network grid.
        sigma_voxels: of the smoothing, likewise.
        num_passes: how often the field is estimated; each pass after the first sees the moving image warped so far.
        batch_size: patch pairs per network call; a pair takes about 0.1 MB in 2-D and 10 MB in 3-D.
        model: what the displacements of a pass become, "smooth" (a smooth field) or "affine"
            (:func:`~.affine_fit.fit_affine`).

    Raises:
        ValueError: for another number of dimensions, or an unknown model.
    """

    def __init__(
        self,
        fixed_normalization: str = "volume",
        moving_normalization: str = "patch",
        spatial_dims: int = 2,
        stride_voxels: float | Sequence[float] = (10, 10, 6),
        sigma_voxels: float | Sequence[float] = 12,
        num_passes: int = 1,
        batch_size: int = 256,
        model: str = "smooth",
    ) -> None:
        super().__init__()
        self.model = one_of("model", model, MODELS)
        if spatial_dims not in (2, 3):
            raise ValueError(f"spatial_dims: expected 2 or 3, got {spatial_dims}")
        self.normalizations = (fixed_normalization, moving_normalization)
        self.spatial_dims = spatial_dims
        self.stride_voxels, self.sigma_voxels = ensure_tuple_rep(stride_voxels, 3), ensure_tuple_rep(sigma_voxels, 3)
        self.num_passes, self.batch_size = num_passes, batch_size

    def __call__(self, inputs: torch.Tensor, network: Callable, *args, **kwargs) -> torch.Tensor:
        """Register pairs: (B, 2, X, Y, Z) intensities, fixed first → ddf (B, 3, X, Y, Z) in voxels."""
        images = convert_to_tensor(inputs, track_meta=False)
        return torch.stack([self._register(image, network) for image in images])

    def _register(self, image: torch.Tensor, network: Callable) -> torch.Tensor:
        fixed, moving = (subtract_background(volume) for volume in image.split(1))
        ddf = self._estimate(fixed, moving, network)
        for _ in range(self.num_passes - 1):
            update = self._estimate(fixed, warp(moving[None], ddf[None], padding_mode="zeros")[0], network)
            ddf = compose(ddf[None], update[None])[0]
        return ddf

    def _estimate(self, fixed: torch.Tensor, moving: torch.Tensor, network: Callable) -> torch.Tensor:
        spatial_shape = fixed.shape[1:]
        points = control_points(spatial_shape, self.stride_voxels).to(fixed.device)
        grid = points.shape[:3]
        displacement, weight = self._votes(fixed, moving, points.round().long().reshape(-1, 3), network)
        if self.model == "affine":
            voxels = control_points(spatial_shape, (1, 1, 1)).to(points)
            return affine_field(fit_affine(points.reshape(-1, 3), displacement, weight), voxels)
        steps = [max((n - 1) / max(m - 1, 1), 1e-6) for n, m in zip(spatial_shape, grid, strict=True)]
        sigma = [s / step for s, step in zip(self.sigma_voxels, steps, strict=True)]
        coarse = smooth_by_confidence(displacement.T.reshape(3, *grid), weight.reshape(1, *grid), sigma)
        return functional.interpolate(coarse[None], size=tuple(spatial_shape), mode="trilinear", align_corners=True)[0]

    def _votes(self, fixed, moving, points: torch.Tensor, network: Callable) -> tuple[torch.Tensor, torch.Tensor]:
        """Expected displacement (N, 3) at voxels (N, 3) and its weight (N,): confidence times content."""
        axes = tuple(range(1, self.spatial_dims + 1))
        mask, *images = (sliding_patches(v, self.spatial_dims) for v in ((fixed != 0).to(fixed), fixed, moving))
        sources = [PatchSource([v], n) for v, n in zip((fixed, moving), self.normalizations, strict=True)]
        displacement, weight = points.new_zeros(len(points), 3).to(fixed), points.new_zeros(len(points)).to(fixed)
        for chunk in torch.arange(len(points), device=points.device).split(self.batch_size):
            content = mask[points[chunk].unbind(dim=1)].mean(dim=axes)
            chosen = chunk[content > MIN_CONTENT]
            if len(chosen) == 0:
                continue
            places = points[chosen].unbind(dim=1)
            patches = [source.normalize(0, view[places]) for source, view in zip(sources, images, strict=True)]
            logits = network(torch.stack(patches, dim=1))
            displacement[chosen, : self.spatial_dims] = expected_displacement(logits)
            weight[chosen] = confidence(logits) * content[content > MIN_CONTENT]
        return displacement, weight
