"""Displacement fields on another number of voxels."""

import torch
import torch.nn.functional as F

from .grid import at_least_float32, check_ddf


def resize(ddf: torch.Tensor, spatial_shape: list[int]) -> torch.Tensor:
    """Resample a displacement field on a grid with the same outermost voxel centers, in voxels of that grid.

    Along an axis that goes from n to m voxels, positions and so displacements scale by (m − 1) / (n − 1);
    along an axis where n or m is 1 displacements keep their value.

    Args:
        ddf: (B, D, *spatial), voxels.
        spatial_shape: number of voxels along each of the D axes of the result.

    Returns:
        (B, D, *spatial_shape), voxels of the new grid.

    Raises:
        ValueError: where ``ddf`` has not one component per axis or ``spatial_shape`` not one entry per axis.

    Example:
        >>> resize(torch.ones(1, 2, 3, 3), [5, 3])[0, :, 0, 0].tolist()
        [2.0, 1.0]
    """
    check_ddf(ddf)
    if len(spatial_shape) != ddf.size(1):
        raise ValueError(f"expected {ddf.size(1)} entries in spatial_shape, got {spatial_shape}")
    mode = "bilinear" if len(spatial_shape) == 2 else "trilinear"
    resampled = F.interpolate(at_least_float32(ddf), size=spatial_shape, mode=mode, align_corners=True)
    factors = [
        (new - 1) / (old - 1) if old > 1 and new > 1 else 1.0
        for old, new in zip(ddf.shape[2:], spatial_shape)  # noqa: B905 (TorchScript knows no strict=)
    ]
    return torch.stack([resampled[:, axis] * factor for axis, factor in enumerate(factors)], dim=1)
