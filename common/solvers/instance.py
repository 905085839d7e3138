"""Instance optimization: the field of one pair, improved by Adam on any differentiable loss."""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F

from ..fields.ddf import compose, integrate
from ..fields.sampling import at_least_float32, check_ddf
from ..fields.spline import spline_at_knots


def control_shape(spatial_shape: list[int], control_spacing: int) -> list[int]:
    """Number of control points along each axis, at most ``control_spacing`` voxels apart, one on either border.

    Example:
        >>> control_shape([64, 65, 1], 4)
        [17, 17, 1]
    """
    return [math.ceil((size - 1) / control_spacing) + 1 for size in spatial_shape]


def spline_upsample(control: torch.Tensor, spatial_shape: list[int], fixed_border: bool = False) -> torch.Tensor:
    """Smooth field from coefficients on a coarse grid with the same outermost points; values keep their unit.

    That is :func:`~common.fields.spline.spline_at_knots`, linear between the knots.

    Args:
        control: (B, D, *coarse), border coefficients go on beyond the border.
        spatial_shape: number of voxels along each of the D axes of the result.
        fixed_border: whether the result is 0 at the border, along axes of at least three control points.

    Returns:
        (B, D, *spatial_shape).

    Example:
        >>> spline_upsample(torch.full((1, 3, 3, 3, 3), 2.0), [5, 5, 5]).unique().tolist()
        [2.0]
    """
    mode = "trilinear" if control.dim() == 5 else "bilinear"
    knots = spline_at_knots(control)
    knots = zero_border_planes(knots) if fixed_border else knots
    return F.interpolate(knots, size=list(spatial_shape), mode=mode, align_corners=True)


def zero_border_planes(values: torch.Tensor) -> torch.Tensor:
    """Values with zeros in the outermost planes; an axis of fewer than three points keeps its own.

    Args:
        values: (B, D, *spatial), any unit, which is kept.

    Returns:
        (B, D, *spatial).

    Example:
        >>> zero_border_planes(torch.ones(1, 2, 1, 4))[0, 0].tolist()
        [[0.0, 1.0, 1.0, 0.0]]
    """
    for axis in range(2, values.dim()):
        size = values.size(axis)
        if size > 2:
            inner = values.new_ones(size)
            inner[[0, -1]] = 0
            values = values * inner.view(-1, *[1] * (values.dim() - 1 - axis))
    return values


def optimize_field(
    ddf: torch.Tensor,
    loss: Callable[[torch.Tensor], torch.Tensor],
    *,
    num_iterations: int,
    learning_rate: float,
    control_spacing: int = 1,
    velocity: bool = False,
    num_integration_steps: int = 7,
    coarse_integration: bool = False,
    fixed_border: bool = False,
    on_iteration: Callable[[int, float], None] | None = None,
) -> torch.Tensor:
    """Improve a field by Adam on coefficients θ, zero at first: min over θ of loss(u(θ)).

    As displacement u(θ) = u₀ + Sθ; as stationary velocity id + u(θ) = (id + u₀) ∘ exp(Sθ), which within the grid
    adds hardly any folds to those of u₀. S is the identity for a spacing of 1, else :func:`spline_upsample`. Adam's
    steps are of the size of the learning rate, so θ moves by about ``learning_rate`` voxels in each of the first
    iterations.

    Args:
        ddf: u₀, (B, 3, *spatial), voxels; two axes work as well.
        loss: maps u(θ), of the shape of ``ddf``, to a scalar: similarity and regularization.
        num_iterations: steps of Adam, ≥ 0.
        learning_rate: voxels.
        control_spacing: distance of control points, voxels, ≥ 1.
        velocity: whether θ is a velocity.
        num_integration_steps: squarings of the velocity.
        coarse_integration: whether they are done on the control points, id + u = (id + u₀) ∘ (id + S(exp(θ) − id)),
            a small part of the cost.
        fixed_border: whether θ and Sθ are 0 at the border of the grid, along axes of more than two voxels. The border
            then keeps u₀, and so does what lies beyond, where fields keep the displacement of the border. Without, u
            folds beyond where its map turns over along the border, which within the grid shear across it can hide.
        on_iteration: called with the number of the iteration, from 0, and the loss before its step.

    Returns:
        Field of the last θ, (B, 3, *spatial), voxels, without gradient; u₀ for 0 iterations.

    Raises:
        ValueError: for a shape that is no field, numbers out of range, or a loss that is not finite.

    Example:
        >>> target = torch.ones(1, 3, 4, 4, 4)
        >>> loss = lambda u: (u - target).square().mean()
        >>> optimize_field(torch.zeros_like(target), loss, num_iterations=200, learning_rate=0.1).mean().round().item()
        1.0
    """
    check_ddf(ddf)
    if num_iterations < 0 or learning_rate <= 0 or control_spacing < 1:
        raise ValueError(
            "expected num_iterations ≥ 0, learning_rate > 0 and control_spacing ≥ 1, "
            f"got {num_iterations}, {learning_rate} and {control_spacing}"
        )
    with torch.inference_mode(False), torch.enable_grad():
        initial = at_least_float32(ddf.detach()).clone()
        spatial_shape = list(initial.shape[2:])
        coarse = spatial_shape if control_spacing == 1 else control_shape(spatial_shape, control_spacing)
        if fixed_border:  # a control point is left to move along every axis that has a border
            coarse = [max(k, min(n, 3)) for n, k in zip(spatial_shape, coarse, strict=True)]
        theta = initial.new_zeros([*initial.shape[:2], *coarse]).requires_grad_()

        spacing = initial.new_tensor([(n - 1) / max(k - 1, 1) for n, k in zip(spatial_shape, coarse, strict=True)])
        spacing = spacing.clamp(min=1).view(-1, *[1] * len(coarse))  # voxels between control points

        def field() -> torch.Tensor:
            early = velocity and coarse_integration
            control = zero_border_planes(theta) if fixed_border else theta
            control = spacing * integrate(control / spacing, num_integration_steps) if early else control
            update = control if control_spacing == 1 else spline_upsample(control, spatial_shape, fixed_border)
            if not velocity:
                return initial + update
            return compose(initial, update if early else integrate(update, num_integration_steps))

        optimizer = torch.optim.Adam([theta], lr=learning_rate)
        for iteration in range(num_iterations):
            value = loss(field())
            if not torch.isfinite(value):
                raise ValueError(f"expected a finite loss, got {value.item()} in iteration {iteration}")
            (theta.grad,) = torch.autograd.grad(value, theta)
            optimizer.step()
            if on_iteration is not None:
                on_iteration(iteration, value.item())
        return field().detach() if num_iterations else initial
