"""What is compared of two images, and the force by which their similarity rises."""

from collections.abc import Callable

import torch

from ..fields.jacobian import central_difference
from ..fields.masked_mean import filled
from ..fields.smoothing import SLAB_VOXELS
from ..losses.local_correlation import LocalCorrelation
from ..losses.mind import mind_ssc
from .greedy_settings import Greedy

LEAST_VARIANCE = 1e-4  # of a window, for intensities in [0, 1]; noise below it has no force
Features = Callable[[torch.Tensor], torch.Tensor]


def described(image: torch.Tensor, settings: Greedy, features: Features | None = None) -> torch.Tensor:
    """What is compared: the image (1, 1, *spatial) itself, its MIND-SSC descriptors or its features.

    Raises:
        ValueError: for the similarity "features" without them.
    """
    if settings.similarity != "features":
        return mind_ssc(image) if settings.similarity == "mind" else image
    if features is None:
        raise ValueError("similarity features: expected the features of a network beside, got none")
    return features(image)


class Force:
    """Similarity to a fixed image, and the direction into which each voxel's displacement raises it.

    Args:
        fixed: (1, C, *spatial).
        settings: "lncc" takes :class:`~common.losses.local_correlation.LocalCorrelation`, the others squared
            differences.
        mask: (1, 1, *spatial), 1 where the fixed image may be compared; None for everywhere.
        carries: whether the force goes on into voxels where nothing is compared, as the mean of that around them: a
            force of 0 would hold back the surroundings.
    """

    def __init__(
        self, fixed: torch.Tensor, settings: Greedy, mask: torch.Tensor | None = None, carries: bool = False
    ) -> None:
        self.fixed, self.correlation, self.carries = fixed, None, carries
        self.masked = None if mask is None else mask < 0.5
        if settings.similarity == "lncc":
            self.correlation = LocalCorrelation(fixed, settings.radius, LEAST_VARIANCE)
            self.num_textured = (self.correlation.precision < 1 / LEAST_VARIANCE).sum().clamp(min=1)

    def __call__(self, warped: torch.Tensor) -> tuple[float, torch.Tensor]:
        """Similarity, larger is better, and force (1, D, *spatial) of a warped image (1, C, *spatial).

        Where it is NaN or the fixed image is masked, the fixed image overwrites it, and the force is 0, or
        carried there.
        """
        hidden = warped[:, :1].isnan()
        if self.masked is not None:
            hidden |= self.masked
        torch.where(hidden, self.fixed, warped, out=warped)
        similarity, force = self._compared(warped)
        if self.carries:
            visible = (~hidden[0]).to(force)
            return similarity, torch.cat([filled(part, visible) for part in force[0].split(1)])[None]
        return similarity, force.masked_fill_(hidden, 0)

    def _compared(self, warped: torch.Tensor) -> tuple[float, torch.Tensor]:
        if self.correlation is None:
            return difference_force(self.fixed, warped)
        correlation, slope = self.correlation.with_gradient(warped)
        similarity = (correlation.sum() / self.num_textured).item()
        del correlation
        axes = range(2, warped.dim())
        return similarity, torch.cat([central_difference(warped, axis).mul_(slope) for axis in axes], dim=1)


def difference_force(fixed: torch.Tensor, warped: torch.Tensor) -> tuple[float, torch.Tensor]:
    """Negative mean squared difference and the demons' force, Σ r ∇w / (Σ |∇w|² + Σ r²) with r = f − w.

    The sums run over channels.

    Args:
        fixed: f, (1, C, *spatial).
        warped: w, the same shape.

    Returns:
        A number, and (1, D, *spatial).

    Reference:
        Vercauteren et al., Diffeomorphic demons: efficient non-parametric image registration, NeuroImage 2009.
    """
    force = warped.new_empty([1, warped.dim() - 2, *warped.shape[2:]])
    size, square = warped.size(2), 0.0
    rows = size if warped.is_cuda else max(1, SLAB_VOXELS // warped[0, 0, 0].numel())
    for start in range(0, size, rows):
        stop = min(start + rows, size)
        low, high = max(start - 1, 0), min(stop + 1, size)  # one layer more on each side, for the slope
        inner = slice(start - low, stop - low)
        rest_square, force[:, :, start:stop] = _layers_force(fixed[:, :, low:high], warped[:, :, low:high], inner)
        square += rest_square
    return -square / warped.numel(), force


def _layers_force(fixed: torch.Tensor, warped: torch.Tensor, inner: slice) -> tuple[float, torch.Tensor]:
    """Sum of squared differences, and :func:`difference_force`, of the inner layers along the first spatial axis."""
    like = warped[:, :1, inner]
    rest_square, slope_square = torch.zeros_like(like), torch.zeros_like(like)
    pushes = [torch.zeros_like(like) for _ in range(2, like.dim())]
    for f, w in zip(fixed.split(1, dim=1), warped.split(1, dim=1), strict=True):
        rest = f[:, :, inner] - w[:, :, inner]
        rest_square.addcmul_(rest, rest)
        slopes = [central_difference(w, 2)[:, :, inner]]
        slopes += [central_difference(w[:, :, inner], axis) for axis in range(3, w.dim())]
        for push, slope in zip(pushes, slopes, strict=True):
            push.addcmul_(rest, slope)
            slope_square.addcmul_(slope, slope)
    force = torch.cat(pushes, dim=1).div_((rest_square + slope_square).clamp_(min=1e-9))
    return rest_square.sum().item(), force
