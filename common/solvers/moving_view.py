"""The moving image under a field, and where it ends."""

import torch

from ..fields.sampling import identity_grid, sample
from ..fields.smoothing import SLAB_VOXELS, box_sum

REACH = 4  # voxels beyond its end for which the moving image is compared: organs of small crops lie at their border


class MovingView:
    """The moving image as a field sees it.

    Args:
        moving: (1, C, *wider).
        inside: (1, 1, *wider), 1 where it has voxels, or None where it covers all that is seen.
        to_moving: (D, D + 1), from voxels of the field to those of the moving image.
        mask: (1, 1, *wider), 1 where it may be compared, or None for everywhere.
    """

    def __init__(
        self,
        moving: torch.Tensor,
        inside: torch.Tensor | None,
        to_moving: torch.Tensor,
        mask: torch.Tensor | None = None,
    ) -> None:
        self.volume = moving
        # Interpolation with NaN is NaN: one sampling tells values and where there are none.
        if inside is not None:
            self.volume = self.volume.masked_fill(box_sum(inside.to(moving), REACH) < 0.5, torch.nan)
        if mask is not None:
            self.volume = self.volume.masked_fill(mask < 0.5, torch.nan)
        self.linear, self.shift = to_moving[:, :-1].tolist(), to_moving[:, -1].tolist()

    def warped(self, ddf: torch.Tensor) -> torch.Tensor:
        """Image under a ddf, (1, C, *spatial), NaN where the moving image ends."""
        return self._sampled(self.volume, ddf)

    def seen(self, ddf: torch.Tensor) -> torch.Tensor:
        """Where a ddf leads to voxels of the moving image that may be compared, (1, 1, *spatial), bool."""
        return ~self._sampled(self.volume[:, :1], ddf).isnan()

    def _sampled(self, volume: torch.Tensor, ddf: torch.Tensor) -> torch.Tensor:
        rows = max(1, SLAB_VOXELS // ddf[0, 0, 0].numel())
        slabs = []
        for start in range(0, ddf.size(2), rows):
            slab = ddf.narrow(2, start, min(rows, ddf.size(2) - start))
            coordinates = slab + identity_grid(list(slab.shape[2:]), dtype=ddf.dtype, device=ddf.device)
            coordinates[:, 0] += start
            slabs.append(sample(volume, self._in_moving(coordinates)))
        return torch.cat(slabs, dim=2)

    def _in_moving(self, voxels: torch.Tensor) -> torch.Tensor:
        """Voxels of the field, (1, D, *spatial), as those of the moving image."""
        parts = []
        for row, shift in zip(self.linear, self.shift, strict=True):
            part = torch.full_like(voxels[:, 0], shift)
            for axis, factor in enumerate(row):
                if factor:
                    part.add_(voxels[:, axis], alpha=factor)
            parts.append(part)
        return torch.stack(parts, dim=1)
