"""Squared local correlation of two images, and its gradient in closed form."""

from typing import Any

import torch
from torch import nn
from torch.autograd.function import once_differentiable

from ..fields.sampling import at_least_float32
from ..fields.smoothing import box_counts, box_sum


class LocalCorrelation:
    """Squared correlation with a fixed image in the window around every voxel, c² / (σ_f² σ_w²).

    ⟨·⟩ is the mean over the window, μ_w = ⟨w⟩, σ_w² = ⟨w²⟩ − μ_w², c = ⟨f w⟩ − μ_f μ_w. With A = 2 c / (σ_f² σ_w²),
    B = c² / (σ_f² σ_w⁴) and the adjoint ⟨·⟩ᵀ, the gradient of the sum over all voxels with respect to w is
    f ⟨A⟩ᵀ − w ⟨2B⟩ᵀ − ⟨A μ_f − 2B μ_w⟩ᵀ. Where A and B hardly change within a window, it is A (f − μ_f) − 2B (w − μ_w).

    Args:
        fixed: f, (B, C, *spatial).
        radius: of the window, 2r + 1 voxels along each axis.
        floor: least variance; where a variance is below, it is taken instead and has no gradient.
        padded: whether zeros outside count, as in MONAI; else windows end at the border.

    Example:
        >>> f = torch.rand(1, 1, 8, 8, generator=torch.Generator().manual_seed(0))
        >>> LocalCorrelation(f, 2)(1 - 2 * f).mean().round(decimals=3).item()
        1.0
    """

    def __init__(self, fixed: torch.Tensor, radius: int, floor: float = 1e-5, padded: bool = False) -> None:
        shape = list(fixed.shape[2:])
        self.fixed, self.radius, self.floor = fixed, radius, floor
        counts = fixed.new_tensor((2 * radius + 1.0) ** len(shape)) if padded else box_counts(shape, radius, fixed)
        self.share = 1 / counts
        self.mean = self._window_mean(fixed)
        self.precision = 1 / (self._window_mean(fixed.square()) - self.mean.square()).clamp(min=floor)

    def __call__(self, warped: torch.Tensor) -> torch.Tensor:
        """Squared correlation in every voxel, (B, C, *spatial)."""
        _, variance, covariance = self._statistics(warped)
        return covariance.square() * self.precision / variance.clamp(min=self.floor)

    def with_gradient(self, warped: torch.Tensor, exact: bool = True) -> tuple[torch.Tensor, torch.Tensor]:
        """Squared correlation, and the gradient of its sum with respect to ``warped``; not exact: without ⟨·⟩ᵀ."""
        mean, variance, covariance = self._statistics(warped)
        is_free = variance > self.floor
        ratio = covariance / variance.clamp_(min=self.floor)
        del variance
        slope = (ratio * self.precision).mul_(2)  # A
        value = covariance.mul_(slope).mul_(0.5)
        drop = ratio.mul_(slope).mul_(is_free)  # 2B
        if not exact:
            return value, slope * (self.fixed - self.mean) - drop * (warped - mean)
        slope, drop = slope.mul_(self.share), drop.mul_(self.share)
        rest = box_sum(mean.mul_(drop).sub_(slope * self.mean), self.radius)
        del mean
        slope = box_sum(slope, self.radius).mul_(self.fixed)
        # Products are rounded before they are subtracted: equal images have no force at all.
        return value, slope.sub_(box_sum(drop, self.radius).mul_(warped)).add_(rest)

    def _window_mean(self, volume: torch.Tensor) -> torch.Tensor:
        return box_sum(volume, self.radius).mul_(self.share)

    def _statistics(self, warped: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        mean = self._window_mean(warped)
        variance = self._window_mean(warped.square()).addcmul_(mean, mean, value=-1)
        return mean, variance, self._window_mean(warped * self.fixed).addcmul_(self.mean, mean, value=-1)


class _MeanCorrelation(torch.autograd.Function):
    """Mean over all voxels, of :class:`LocalCorrelation`; what its backward needs is one volume per image."""

    @staticmethod
    def forward(ctx: Any, warped: torch.Tensor, fixed: torch.Tensor, radius: int, floor: float) -> torch.Tensor:
        pairs = [(warped, fixed), (fixed, warped)]
        values, gradients = None, []
        for needed, (image, other) in zip(ctx.needs_input_grad[:2], pairs, strict=True):
            gradient = None
            if needed:
                values, gradient = LocalCorrelation(other, radius, floor, padded=True).with_gradient(image)
            gradients.append(gradient)
        ctx.save_for_backward(*gradients)
        return (LocalCorrelation(fixed, radius, floor, padded=True)(warped) if values is None else values).mean()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        found = [None if x is None else x * (grad / x.numel()) for x in ctx.saved_tensors]
        return (*found, None, None)


class LocalCorrelationLoss(nn.Module):
    """Negative mean of the squared local correlation, in [−1, 0]; smaller is better.

    It is MONAI's ``LocalNormalizedCrossCorrelationLoss`` with a rectangular window, faster and in less memory.

    Args:
        window: voxels along each axis, odd.
        floor: least sum of squared deviations within a window.

    Raises:
        ValueError: for an even window.

    Example:
        >>> image = torch.rand(1, 1, 12, 12, 12, generator=torch.Generator().manual_seed(0))
        >>> LocalCorrelationLoss()(3 * image, image).round(decimals=3).item()
        -1.0

    Reference:
        Avants et al., Symmetric diffeomorphic image registration with cross-correlation, Medical Image Analysis 2008.
    """

    def __init__(self, window: int = 9, floor: float = 1e-5) -> None:
        super().__init__()
        if window % 2 == 0:
            raise ValueError(f"expected a window of an odd number of voxels, got {window}")
        self.window, self.floor = window, floor

    def forward(self, warped: torch.Tensor, fixed: torch.Tensor) -> torch.Tensor:
        """Loss of two images (B, C, *spatial): a scalar."""
        if warped.shape != fixed.shape:
            raise ValueError(f"expected two images of one shape, got {list(warped.shape)} and {list(fixed.shape)}")
        floor = self.floor / self.window ** (fixed.dim() - 2)
        return -_MeanCorrelation.apply(at_least_float32(warped), at_least_float32(fixed), self.window // 2, floor)
