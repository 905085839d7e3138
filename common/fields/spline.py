"""Fields that have few degrees of freedom: a network's output on coarse spline control points."""

import torch
import torch.nn.functional as F


def spline_at_knots(coefficients: torch.Tensor) -> torch.Tensor:
    """Cubic B-spline at its control points: c ↦ (c_{i−1} + 4 c_i + c_{i+1}) / 6 along each axis.

    Args:
        coefficients: (B, D, *coarse), D = 2 or 3; border coefficients go on beyond the border.

    Returns:
        (B, D, *coarse).

    Example:
        >>> spline_at_knots(torch.tensor([[[[0.0, 6.0, 0.0]]]]))[0, 0, 0].tolist()
        [1.0, 4.0, 1.0]

    Reference:
        Rueckert et al., Nonrigid registration using free-form deformations, IEEE TMI 1999, equation 3, at the knots.
    """
    for axis in range(2, coefficients.dim()):
        size = coefficients.size(axis)
        first, last = coefficients.narrow(axis, 0, 1), coefficients.narrow(axis, size - 1, 1)
        before = torch.cat([first, coefficients.narrow(axis, 0, size - 1)], dim=axis)
        after = torch.cat([coefficients.narrow(axis, 1, size - 1), last], dim=axis)
        coefficients = (before + 4 * coefficients + after) / 6
    return coefficients


def coarsen_to_spline(field: torch.Tensor, control_spacing: int) -> torch.Tensor:
    """The field's means over cubes of `control_spacing` voxels, taken as B-spline coefficients and brought back.

    That is :func:`spline_at_knots`, linear between the knots. Details finer than the spacing are gone, as in a
    free-form deformation.

    Args:
        field: (B, D, *spatial), any unit, which is kept; D = 2 or 3, sizes multiples of the spacing.
        control_spacing: voxels, ≥ 1; 1 returns the field as it is.

    Returns:
        (B, D, *spatial).

    Example:
        >>> coarsen_to_spline(torch.full((1, 3, 8, 8, 8), 2.0), 4).unique().tolist()
        [2.0]
    """
    if control_spacing == 1:
        return field
    three = field.dim() == 5
    control = F.avg_pool3d(field, control_spacing) if three else F.avg_pool2d(field, control_spacing)
    mode = "trilinear" if three else "bilinear"
    return F.interpolate(spline_at_knots(control), size=field.shape[2:], mode=mode, align_corners=False)
