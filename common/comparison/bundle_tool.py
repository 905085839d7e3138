"""A bundle of this collection as a tool of the comparison."""

from typing import Any

from monai.data import MetaTensor

from ..registration.prediction import Prediction
from .region_pair import RegionPair


class BundleTool:
    """Registers pairs as the bundle's ``inference.json`` does, but for files: no reading, no writing.

    Args:
        bundle_root: folder of the bundle.
        ckpt_path: weights of its ``network_def``; empty for ``models/model.pt``.
        **overrides: entries of ``inference.json``, such as ``num_passes``.

    Raises:
        FileNotFoundError: where there are no such weights.
        ValueError: for an override that inference.json does not declare, or of another kind than it declares.
    """

    def __init__(self, bundle_root: str, ckpt_path: str = "", **overrides: Any) -> None:
        self.prediction = Prediction(bundle_root, ckpt_path, **overrides)
        self.settings = self.prediction.settings

    @property
    def inferer_seconds(self) -> float:
        """Seconds that the network and its inferer took for the last pair."""
        return self.prediction.inferer_seconds

    def __call__(self, pair: RegionPair) -> MetaTensor:
        """Field on the fixed cube of a pair, (3, pad, pad, pad), RAS mm."""
        return self.prediction(pair.fixed, pair.moving, pair.grid)
