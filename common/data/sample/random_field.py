"""Random smooth functions on a grid."""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F

from ...fields.smoothing import box_mean


def random_field(shape: Sequence[int], spacing_voxels: float, generator: torch.Generator) -> torch.Tensor:
    """Independent normal values on a lattice, interpolated linearly and averaged over a window as wide as its cells.

    Args:
        shape: (X, Y, Z).
        spacing_voxels: of the lattice, > 0; structures are about as wide.
        generator: source of the values and of the lattice's place.

    Returns:
        (X, Y, Z), float32, mean 0 and standard deviation 1 over the grid.

    Example:
        >>> field = random_field((8, 8, 8), 3.0, torch.Generator().manual_seed(0))
        >>> field.shape, round(field.std(correction=0).item(), 5)
        (torch.Size([8, 8, 8]), 1.0)
    """
    lattice = [max(2, math.ceil(size / spacing_voxels) + 2) for size in shape]
    values = torch.randn(1, 1, *lattice, generator=generator)
    if spacing_voxels > 1:
        sizes = [math.ceil((nodes - 1) * spacing_voxels) + 1 for nodes in lattice]
        fine = F.interpolate(values, sizes, mode="trilinear", align_corners=True)
        starts = [
            int(torch.randint(1 + fine.size(k + 2) - size, (), generator=generator)) for k, size in enumerate(shape)
        ]
        for axis, (start, size) in enumerate(zip(starts, shape, strict=True)):
            fine = fine.narrow(axis + 2, start, size)
        values = box_mean(fine, max(1, round(spacing_voxels / 2)))
    else:
        values = values[:, :, : shape[0], : shape[1], : shape[2]]
    values = values[0, 0] - values.mean()
    return values / values.square().mean().sqrt().clamp(min=1e-6)
