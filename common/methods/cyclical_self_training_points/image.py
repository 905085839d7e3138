"""From keypoint clouds to the one tensor that the network takes, and back."""

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.transforms import Transform

from ...transforms.network_grid import NATIVE_SUFFIX
from .files import check_clouds
from .pairs import align_by_moments

NUM_CHANNELS = 8


def cloud_image(fixed: torch.Tensor, moving: torch.Tensor) -> torch.Tensor:
    """Two clouds (N, 3) and (M, 3) → one tensor (8, max(N, M)): coordinates and validity of each.

    Example:
        >>> cloud_image(torch.ones(1, 3), torch.zeros(2, 3))[[3, 7]].tolist()
        [[1.0, 0.0], [1.0, 1.0]]
    """
    image = fixed.new_zeros(NUM_CHANNELS, max(len(fixed), len(moving)))
    for first, points in ((0, fixed), (4, moving)):
        image[first : first + 3, : len(points)] = points.T
        image[first + 3, : len(points)] = 1
    return image


class CloudsToImaged(Transform):
    """Checks the clouds of a pair, aligns the fixed one, and lays both into ``image``.

    Adds ``aligned_points`` (N, 3), where the fixed points lie after the alignment.

    Args:
        prealign: whether to align, by the pair's ``alignment`` (3, 4), such as that of its lung masks, or else by the
            moments of the clouds; otherwise ``aligned_points`` are the fixed points.
        min_points: fewest points of a cloud, the largest neighborhood of the network.

    Raises:
        ValueError: for clouds that :func:`~common.methods.cyclical_self_training_points.files.check_clouds` refuses.

    Example:
        >>> from common.methods.cyclical_self_training_points.sample import sample_keypoint_pair
        >>> item = CloudsToImaged()({"name": "sample", **sample_keypoint_pair(0, num_fixed=100, num_moving=150)})
        >>> item["image"].shape
        torch.Size([8, 150])
    """

    def __init__(self, prealign: bool = True, min_points: int = 31):
        super().__init__()
        self.prealign, self.min_points = prealign, min_points

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """The item with ``image`` and ``aligned_points``."""
        item = dict(data)
        file = getattr(item.get(f"fixed{NATIVE_SUFFIX}"), "meta", {}).get("filename_or_obj")
        check_clouds(item, str(item.get("name") or file or "pair"), self.min_points)
        fixed, moving = item["fixed_points"], item["moving_points"]
        item["aligned_points"] = self._aligned(item) if self.prealign else fixed
        item["image"] = cloud_image(item["aligned_points"], moving)
        return item

    def _aligned(self, item: Mapping) -> torch.Tensor:
        fixed = item["fixed_points"]
        if "alignment" in item:
            return fixed @ item["alignment"][:, :3].T + item["alignment"][:, 3]
        return align_by_moments(fixed, fixed, item["moving_points"])


class PredToDisplacementsd(Transform):
    """Displacements of the fixed points as they came: u = (aligned point + pred) − fixed point.

    Args:
        pred_key: network output, (3, P), displacements of ``aligned_points``.

    Raises:
        ValueError: where the output has fewer slots than there are fixed points, or is not finite.
    """

    def __init__(self, pred_key: str = "pred"):
        super().__init__()
        self.pred_key = pred_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """The item with ``displacements`` (N, 3), in the unit of the clouds."""
        item = dict(data)
        fixed = torch.as_tensor(item["fixed_points"])
        pred = item[self.pred_key].detach().to(fixed)
        if pred.shape[0] != 3 or pred.shape[1] < len(fixed) or not pred.isfinite().all():
            raise ValueError(
                f"expected finite displacements (3, ≥ {len(fixed)}), got {tuple(pred.shape)} with "
                f"{int((~pred.isfinite()).sum())} NaN or infinite entries"
            )
        item["displacements"] = torch.as_tensor(item["aligned_points"]) + pred[:, : len(fixed)].T - fixed
        return item
