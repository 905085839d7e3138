"""Regularity of a displacement field."""

import torch

from ..fields.jacobian import jacobian_determinant, without_margin
from ..world.grid import Grid, slabs
from ..world.resample import field_mm_to_ddf

LEARN2REG_OFFSET = 3.0
MARGIN = 2  # border planes left out, as in Learn2Reg's evaluation


def regularity_scores(ddf: torch.Tensor) -> dict[str, float]:
    """Share of folded voxels and spread of the local change of volume, two border planes left out.

    Args:
        ddf: (3, X, Y, Z), voxels.

    Returns:
        ``folding_fraction`` in [0, 1]; ``sdlogj``, sd of log(det) with determinants below 1e-9 clamped;
        ``sdlogj_offset3``, sd of log(det + 3), the figure of Learn2Reg.

    Example:
        >>> regularity_scores(torch.zeros(3, 8, 8, 8))
        {'folding_fraction': 0.0, 'sdlogj': 0.0, 'sdlogj_offset3': 0.0}
    """
    return determinant_scores(jacobian_determinant(ddf[None])[0])


def determinant_scores(determinant: torch.Tensor) -> dict[str, float]:
    """The same from the Jacobian determinant, (1, X, Y, Z)."""
    inner = without_margin(determinant[None], MARGIN)
    return {
        "folding_fraction": (inner <= 0).double().mean().item(),
        "sdlogj": _sd_of_log(inner),
        "sdlogj_offset3": _sd_of_log(inner + LEARN2REG_OFFSET),
    }


def determinant_of_field_mm(field_mm: torch.Tensor, grid: Grid) -> torch.Tensor:
    """Jacobian determinant of p ↦ p + u(p), slab by slab.

    Args:
        field_mm: u, (3, X, Y, Z), RAS mm.
        grid: grid of the field.

    Returns:
        (1, X, Y, Z), no unit; that of :func:`~common.fields.jacobian.jacobian_determinant`.

    Example:
        >>> determinant_of_field_mm(torch.zeros(3, 4, 4, 4), Grid((4, 4, 4), torch.eye(4))).unique().tolist()
        [1.0]
    """
    out = torch.empty(1, *grid.spatial_shape)
    for rows in slabs(grid.spatial_shape):
        # Two more planes on each side, so that differences at the end of a slab are those of the whole.
        first, last = max(rows.start - 2, 0), min(rows.stop + 2, grid.spatial_shape[0])
        part = Grid((last - first, *grid.spatial_shape[1:]), grid.affine)
        ddf = field_mm_to_ddf(field_mm[:, first:last], part)
        out[:, rows] = jacobian_determinant(ddf[None])[0, :, rows.start - first : rows.stop - first]
    return out


def _sd_of_log(values: torch.Tensor) -> float:
    return values.clamp(1e-9, 1e9).log().std(correction=0).item()
