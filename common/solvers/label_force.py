"""Force that brings labels of two maps together, whatever the images show there."""

from dataclasses import dataclass

import torch

from ..fields.jacobian import central_difference
from ..fields.sampling import identity_grid, sample
from ..fields.smoothing import gaussian_smooth

SIGMA = 1.0  # voxels by which the shape of a label is smoothed; it ends after three
MARGIN = 4  # voxels around a label in which its force acts
LEAST_SQUARE = 1e-2  # of residual and slope together; below it, the smoothed shapes fade out


@dataclass(frozen=True)
class _Shape:
    """One label, smooth, in the box around it.

    Attributes:
        box: slices of the field.
        fixed: (1, 1, *box).
        moving: (1, 1, *other box), zero at its border.
        shift: from the first voxel of ``fixed`` to that of ``moving``, (D,), voxels.
    """

    box: tuple[slice, ...]
    fixed: torch.Tensor
    moving: torch.Tensor
    shift: torch.Tensor


class LabelForce:
    """The demons' force of the labels that two maps have in common, Σ r ∇w / (Σ |∇w|² + Σ r²) with r = f − w.

    f and w are the smooth shapes of one label in the fixed and in the warped map, each kept in the box around it alone.
    Background has none.

    Args:
        fixed: label map, (1, 1, *spatial), whole numbers of any dtype.
        moving: label map, (1, 1, *wider).
        origin: place of the fixed map's first voxel in the moving one, (D,), voxels; None for the same grid.

    Example:
        >>> fixed = torch.zeros(1, 1, 12, 12)
        >>> fixed[..., 4:8, 4:8] = 5
        >>> similarity, force = LabelForce(fixed, fixed.roll(2, 2))(torch.zeros(1, 2, 12, 12))
        >>> 0 < similarity < 1, force[0, 0].sum().item() > 1, abs(force[0, 1].sum().item()) < 1e-4
        (True, True, True)

    Reference:
        Vercauteren et al., Diffeomorphic demons: efficient non-parametric image registration, NeuroImage 2009.
    """

    def __init__(self, fixed: torch.Tensor, moving: torch.Tensor, origin: torch.Tensor | None = None) -> None:
        origin = torch.zeros(fixed.dim() - 2) if origin is None else origin.cpu()
        found = [_shape(fixed, moving, number, origin) for number in common_labels(fixed, moving)]
        self.shapes = [shape for shape in found if shape is not None]

    def __call__(self, ddf: torch.Tensor) -> tuple[float, torch.Tensor]:
        """Mean overlap of the smooth shapes, 2 Σ f w / (Σ f² + Σ w²), and force, (1, D, *spatial), voxels."""
        force, total, overlap = torch.zeros_like(ddf), torch.zeros_like(ddf[:, :1]), 0.0
        for shape in self.shapes:
            region = ddf[(..., *shape.box)]
            identity = identity_grid(list(region.shape[2:]), dtype=ddf.dtype, device=ddf.device)
            column = [-1] + [1] * ddf.size(1)
            warped = sample(shape.moving, identity + region - shape.shift.to(ddf).view(column))
            rest = shape.fixed - warped
            square = rest.square()
            for axis in range(ddf.size(1)):
                slope = central_difference(warped, axis + 2)
                force[(slice(None), slice(axis, axis + 1), *shape.box)] += rest * slope
                square += slope.square()
            total[(..., *shape.box)] += square
            sizes = shape.fixed.square().sum() + warped.square().sum()
            overlap += (2 * (shape.fixed * warped).sum() / sizes).item()
        return overlap / max(len(self.shapes), 1), force.div_(total.clamp_(min=LEAST_SQUARE))


def common_labels(fixed: torch.Tensor, moving: torch.Tensor) -> list[int]:
    """Numbers that occur in both of two label maps, without background, ascending.

    Example:
        >>> common_labels(torch.tensor([0, 2, 7]), torch.tensor([7, 0, 3, 2]))
        [2, 7]
    """
    numbers = set(fixed.unique().tolist()) & set(moving.unique().tolist())
    return sorted(int(number) for number in numbers if number)


def _shape(fixed: torch.Tensor, moving: torch.Tensor, number: int, origin: torch.Tensor) -> _Shape | None:
    """The label in both maps; None where the fixed map does not see it."""
    masks = [(labels == number)[0, 0] for labels in (fixed, moving)]
    places = [mask.nonzero().cpu() for mask in masks]
    seen = torch.cat([places[0], (places[1] - origin).round().long()])
    box = _box(seen, fixed.shape[2:])
    other = _box(places[1], moving.shape[2:])
    if any(part.stop <= part.start for part in box):
        return None
    smooth = [
        gaussian_smooth(mask[part][None, None].float(), SIGMA) for mask, part in zip(masks, (box, other), strict=True)
    ]
    shift = [theirs.start - own.start for own, theirs in zip(box, other, strict=True)]
    return _Shape(box, *smooth, torch.tensor(shift) - origin)


def _box(places: torch.Tensor, shape: torch.Size) -> tuple[slice, ...]:
    """The voxels of a volume around some places."""
    low, high = (places.amin(dim=0) - MARGIN).tolist(), (places.amax(dim=0) + MARGIN + 1).tolist()
    return tuple(slice(max(int(a), 0), min(int(b), size)) for a, b, size in zip(low, high, shape, strict=True))
