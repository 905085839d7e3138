"""Regularity of a displacement field."""

import torch

from ..fields.jacobian import folding_fraction, sdlogj

LEARN2REG_OFFSET = 3.0


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
    return {
        "folding_fraction": folding_fraction(ddf[None]).item(),
        "sdlogj": sdlogj(ddf[None]).item(),
        "sdlogj_offset3": sdlogj(ddf[None], offset=LEARN2REG_OFFSET).item(),
    }
