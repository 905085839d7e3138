"""Adam on features of one pair, the last refinement of the self-training method."""

from dataclasses import dataclass, replace
from functools import partial

import torch

from ...fields.ddf import warp
from ...fields.lattice import refine_lattice
from ...solvers.instance import optimize_field
from .smoothing import box_smooth

NUM_SMOOTHINGS = 3  # box means of the parameter in every iteration, and of the result: close to a cubic B-spline
VELOCITY_SPACING = 2  # cells between control points, whose spline is about as smooth as the box means
VELOCITY_STEPS = 3
DATA_FACTOR = 12.0  # of the data term, from the 12 channels of MIND for which the code was written


@dataclass(frozen=True)
class AdamSettings:
    """Constants of the refinement.

    Attributes:
        num_iterations: steps of Adam; 0 refines nothing.
        learning_rate: cells of the fine features, 2 voxels in the paper.
        regularization_weight: λ times a factor, which is 1 in training and 10 at test time in the authors' code.
        projection_channels: of the random projection; paper: 16, code: 32; 0 takes the features as they are.
        feature_scale: factor of the features.
        normalize: whether projected features are scaled to a standard deviation of 1 over the pair instead, so that λ
            means the same for a random and a trained network; authors' code: no.
        velocity: whether θ is a stationary velocity, on a spline grid, composed with the smoothed field, which adds
            hardly any folds; authors' code: a displacement.
        zero_border: whether S takes zeros outside, as in the authors' code, so that fields fade at the border; else
            the mean of the cells there are.
        fixed_border: whether θ, a velocity, is 0 at the border of the cells, so that beyond it the field folds only
            where the smoothed start does.
        coarse_integration: whether a velocity is integrated on its control points, see
            :func:`~common.solvers.instance.optimize_field`.

    Raises:
        ValueError: for numbers out of range, or a fixed border or an integration of a displacement.
    """

    num_iterations: int = 50
    learning_rate: float = 1.0
    regularization_weight: float = 0.65
    projection_channels: int = 32
    feature_scale: float = 5.0
    normalize: bool = False
    velocity: bool = False
    zero_border: bool = True
    fixed_border: bool = False
    coarse_integration: bool = False

    def with_steps(self, num_iterations: int, regularization_weight: float) -> "AdamSettings":
        """The same with another number of steps and weight, which differ between pseudo labels and test time."""
        return replace(self, num_iterations=num_iterations, regularization_weight=regularization_weight)

    def __post_init__(self):
        if self.num_iterations < 0 or self.learning_rate <= 0 or self.regularization_weight < 0:
            raise ValueError(f"expected num_iterations ≥ 0, learning_rate > 0, regularization_weight ≥ 0, got {self}")
        if self.coarse_integration and not self.velocity:
            raise ValueError("coarse_integration: expected a velocity, got a displacement, which is not integrated")
        if self.fixed_border and not self.velocity:
            raise ValueError("fixed_border: expected a velocity, got a displacement, whose means move the border")


def random_projection(features: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Linear map of the channels: (B, C, *cells) with weights (K, C) → (B, K, *cells)."""
    return torch.einsum("kc,bc...->bk...", weights.to(features), features)


def projection_weights(num_channels: int, num_projected: int, generator: torch.Generator | None = None) -> torch.Tensor:
    """Weights of a fresh 1 × 1 × 1 convolution without bias: uniform in ±1/√C, (K, C).

    Example:
        >>> projection_weights(64, 32).abs().max().item() <= 1 / 8
        True
    """
    return (2 * torch.rand(num_projected, num_channels, generator=generator) - 1) / num_channels**0.5


def refine_by_adam(
    ddf: torch.Tensor,
    fixed: torch.Tensor,
    moving: torch.Tensor,
    stride: int,
    offset: float = 0.0,
    settings: AdamSettings | None = None,
    generator: torch.Generator | None = None,
) -> torch.Tensor:
    """Improve a field on the lattice of fine features.

    min over θ of 12 · mean (f(x) − m(x + Sθ(x)))² + λ Σ_k mean (∂_k Sθ)²

    S is three box means; θ begins as the given field; features are scaled and projected at random, anew for each pair.

    Args:
        ddf: (B, 3, *spatial), voxels.
        fixed: fine features, (B, C, *cells).
        moving: fine features of the moving image, not warped.
        stride: of the fine features, voxels.
        offset: of the fine features, voxels.
        settings: constants.
        generator: of the projection; one projection serves the whole batch.

    Returns:
        (B, 3, *spatial), voxels, without gradient.

    Reference:
        Bigalke et al., MICCAI 2023, section 2.3.1, third refinement.
    """
    settings = settings or AdamSettings()
    if settings.num_iterations == 0:
        return ddf
    fixed, moving = _prepared(fixed, moving, settings, generator)
    smooth = partial(box_smooth, num_times=NUM_SMOOTHINGS, zero_border=settings.zero_border)

    def loss(field: torch.Tensor) -> torch.Tensor:
        field = field if settings.velocity else smooth(field)
        data = DATA_FACTOR * (warp(moving, field, padding_mode="zeros") - fixed).square().mean()
        slopes = [field.diff(dim=axis).square().mean() for axis in range(2, 5)]
        return data + settings.regularization_weight * torch.stack(slopes).sum()

    cells = list(fixed.shape[2:])
    initial = refine_lattice(ddf, 1.0, 0.0, cells, float(stride), offset) / stride
    found = optimize_field(
        smooth(initial) if settings.velocity else initial,
        loss,
        num_iterations=settings.num_iterations,
        learning_rate=settings.learning_rate,
        control_spacing=VELOCITY_SPACING if settings.velocity else 1,
        velocity=settings.velocity,
        num_integration_steps=VELOCITY_STEPS,
        coarse_integration=settings.coarse_integration,
        fixed_border=settings.fixed_border,
    )
    found = found if settings.velocity else smooth(found)
    voxels = stride * refine_lattice(found, float(stride), offset, list(ddf.shape[2:]))
    return voxels if settings.velocity else smooth(voxels)


def _prepared(
    fixed: torch.Tensor, moving: torch.Tensor, settings: AdamSettings, generator: torch.Generator | None
) -> tuple[torch.Tensor, torch.Tensor]:
    fixed, moving = (settings.feature_scale * x.detach().float() for x in (fixed, moving))
    if settings.projection_channels:
        weights = projection_weights(fixed.shape[1], settings.projection_channels, generator)
        fixed, moving = (random_projection(x, weights) for x in (fixed, moving))
    if settings.normalize:
        scale = torch.cat([fixed, moving]).std().clamp(min=1e-6)
        fixed, moving = fixed / scale, moving / scale
    return fixed, moving
