"""Scores of a pair whose field is known."""

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.transforms import Transform

from ...metrics.regularity import regularity_scores
from ...metrics.scores import SCORES_KEY


class ScoreKnownFieldd(Transform):
    """Adds ``error_voxels``, a mean over valid voxels, ``initial_error_voxels`` of no field, and regularity.

    Example:
        >>> item = {"pred": torch.zeros(3, 8, 8, 8), "ddf": torch.ones(3, 8, 8, 8), "valid": torch.ones(1, 8, 8, 8)}
        >>> ScoreKnownFieldd()(item)["scores"]["error_voxels"]  # √3
        1.732...
    """

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """The item with ``scores``; it has ``pred`` and ``ddf`` (3, X, Y, Z), voxels, and ``valid`` (1, X, Y, Z)."""
        pred, ddf, valid = (torch.as_tensor(data[name]).float().cpu() for name in ("pred", "ddf", "valid"))
        inside = valid[0] > 0
        scores = regularity_scores(pred)
        scores["error_voxels"] = (pred - ddf).norm(dim=0)[inside].mean().item()
        scores["initial_error_voxels"] = ddf.norm(dim=0)[inside].mean().item()
        return {**data, SCORES_KEY: scores}
