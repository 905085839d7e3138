"""Several forces as one."""

from collections.abc import Callable, Sequence

import torch

FieldForce = Callable[
    [torch.Tensor], tuple[float, torch.Tensor]
]  # of a field: similarity, and the update that raises it


class ForceSum:
    """The force of the images, brought to a root mean square length of 1, and others in voxels with their weights.

    Args:
        images: force of the images, in any unit.
        others: further forces and their weights, ≥ 0; without any, that of the images is left as it is.

    Example:
        >>> def push(ddf):
        ...     return 0.5, torch.full_like(ddf, 3.0)
        >>> similarity, force = ForceSum(push, [(2.0, push)])(torch.zeros(1, 2, 4, 4))
        >>> similarity, round(force[0, 0, 0, 0].item(), 3)  # 0.5 + 2 · 0.5 and 1 / √2 + 2 · 3
        (1.5, 6.707)
    """

    def __init__(self, images: FieldForce, others: Sequence[tuple[float, FieldForce]] = ()) -> None:
        self.images, self.others = images, others

    def __call__(self, ddf: torch.Tensor) -> tuple[float, torch.Tensor]:
        """Sum of similarities, and of forces, (1, D, *spatial)."""
        similarity, total = self.images(ddf)
        if self.others:
            total *= total.square().sum(dim=1).mean().clamp(min=1e-24).rsqrt()
        for weight, force in self.others:
            value, update = force(ddf)
            similarity += weight * value
            total.add_(update, alpha=weight)
        return similarity, total
