"""The moving image warped on the network's grid, for pictures."""

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.transforms import Transform

from ..fields.warp import warp


class WarpByDdfd(Transform):
    """Warp the moving image of the network's grid by the network's ddf.

    Args:
        moving_key: (1, *spatial).
        ddf_key: (D, *spatial), voxels.
        warped_key: where the result goes.

    Example:
        >>> item = {"moving": torch.arange(4.0).expand(1, 4, 4), "pred": torch.zeros(2, 4, 4)}
        >>> torch.equal(WarpByDdfd()(item)["warped"], item["moving"])
        True
    """

    def __init__(self, moving_key: str = "moving", ddf_key: str = "pred", warped_key: str = "warped"):
        super().__init__()
        self.moving_key, self.ddf_key, self.warped_key = moving_key, ddf_key, warped_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """The item with the warped image, on the device of the moving one."""
        moving, ddf = (torch.as_tensor(data[key])[None] for key in (self.moving_key, self.ddf_key))
        return {**data, self.warped_key: warp(moving, ddf.to(moving.device))[0]}
