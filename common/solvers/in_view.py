"""A force that ends where the fixed object would leave the moving image's field of view."""

from collections.abc import Callable

import torch

LEAST_KEPT = 0.8  # of the object that is compared at first; hippocampi that match keep 0.98 on each level


class InView:
    """Force of two images on a field, 0 while too little of the fixed object is compared.

    Beyond the end of the moving image nothing is compared, and nothing resists: where the images do not match, their
    difference falls the more of the object leaves.

    Args:
        images: similarity and force of a warped image.
        warped: moving image under a field, (1, C, *spatial), NaN where it ends.
        weight: (1, 1, *spatial), ≥ 0, how much each voxel counts: the fixed image, which is large in the object.
        seen: (1, 1, *spatial), bool, where the images are compared at first.

    Example:
        >>> def push(warped):
        ...     return 0.5, torch.ones(1, 1, 8)
        >>> def strip(ddf):  # ends at the right
        ...     places = torch.arange(8.0) + ddf
        ...     return torch.where(places < 8, places, torch.nan)
        >>> force = InView(push, strip, torch.ones(1, 1, 8), torch.ones(1, 1, 8) > 0)
        >>> [force(torch.full((1, 1, 8), shift))[1].max().item() for shift in (1.0, 2.0)]  # 7 and 6 of 8 voxels stay
        [1.0, 0.0]
    """

    def __init__(
        self,
        images: Callable[[torch.Tensor], tuple[float, torch.Tensor]],
        warped: Callable[[torch.Tensor], torch.Tensor],
        weight: torch.Tensor,
        seen: torch.Tensor,
    ) -> None:
        self.images, self.warped, self.weight = images, warped, weight
        self.least = LEAST_KEPT * self._compared(seen)

    def __call__(self, ddf: torch.Tensor) -> tuple[float, torch.Tensor]:
        """Similarity, and force (1, D, *spatial)."""
        warped = self.warped(ddf)
        is_lost = self._compared(~warped[:, :1].isnan()) < self.least
        similarity, force = self.images(warped)
        return similarity, force.zero_() if is_lost else force

    def _compared(self, seen: torch.Tensor) -> float:
        return (self.weight * seen).sum().item()
