"""Greedy diffeomorphic registration: forces in closed form, smoothed and composed; no graph, no loss of the field."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from ..fields.jacobian import central_difference
from ..fields.masked_mean import filled
from ..fields.sampling import at_least_float32, check_ddf, identity_grid, sample
from ..fields.smoothing import box_sum, gaussian_smooth
from ..losses.local_correlation import LocalCorrelation
from ..losses.mind import mind_ssc
from ..words import one_of
from .force_sum import FieldForce, ForceSum
from .in_view import InView

SIMILARITIES = ("lncc", "mse", "mind", "features")
Features = Callable[[torch.Tensor], torch.Tensor]
SHORTER = 0.7  # factor of the step after an iteration that made the similarity fall
LEAST_STEP = 0.1  # share of the first step that remains
TYPICAL = 2.0  # lengths beyond so many times their root mean square are bounded
SLAB_VOXELS = 100_000  # that are warped at a time: their coordinates stay in the processor's cache
REACH = 4  # voxels beyond its end for which the moving image is compared: organs of small crops lie at their border
LEAST_VARIANCE = 1e-4  # of a window, for intensities in [0, 1]; noise below it has no force


@dataclass(frozen=True)
class Greedy:
    """Settings of :func:`greedy_field`; lengths in voxels.

    Args:
        similarity: "lncc", local correlation; "mse"; "mind", which compares MIND-SSC descriptors across contrasts; or
            "features", which compares what a network makes of both images.
        radius: of the window of the correlation, 2r + 1 voxels along each axis.
        fluid: σ of the Gaussian on every update.
        elastic: σ of the Gaussian on the whole field after it.
        step: no vector of an update is longer; shortened where the similarity falls.
        patience: iterations within which the similarity must rise by ``tolerance``, else the level ends.
        tolerance: of the mean squared correlation or difference.

    Raises:
        ValueError: for an unknown similarity or a number out of range.
    """

    similarity: str = "lncc"
    radius: int = 2
    fluid: float = 2.2
    elastic: float = 0.7
    step: float = 0.5
    patience: int = 10
    tolerance: float = 3e-4

    def __post_init__(self) -> None:
        one_of("similarity", self.similarity, SIMILARITIES)
        if min(self.radius, self.patience) < 1 or min(self.fluid, self.elastic, self.tolerance) < 0 or self.step <= 0:
            raise ValueError(
                "greedy: expected radius and patience ≥ 1, fluid, elastic and tolerance ≥ 0 and step > 0, got"
                f" {self.radius}, {self.patience}, {self.fluid}, {self.elastic}, {self.tolerance} and {self.step}"
            )


def greedy_field(
    ddf: torch.Tensor,
    fixed: torch.Tensor,
    moving: torch.Tensor,
    num_iterations: int,
    settings: Greedy | None = None,
    *,
    to_moving: torch.Tensor | None = None,
    inside: torch.Tensor | None = None,
    masks: tuple[torch.Tensor | None, torch.Tensor | None] = (None, None),
    others: Sequence[tuple[float, FieldForce]] = (),
    features: Features | None = None,
    on_iteration: Callable[[int, float], None] | None = None,
) -> torch.Tensor:
    """Improve fields on one level: v = G_fluid * force, bounded by a step; u ← G_elastic * (v + u ∘ (id + v)).

    A map without folds is only ever composed with short smooth steps. The pairs of a batch are registered one after the
    other, each until it has converged.

    Args:
        ddf: u, (B, D, *spatial), voxels; two or three axes.
        fixed: (B, 1, *spatial), in [0, 1].
        moving: (B, 1, *wider), in [0, 1].
        num_iterations: at most.
        settings: see :class:`Greedy`.
        to_moving: (D, D + 1), from voxels of the fixed to those of the moving image: its linear part, then the place of
            the first voxel; None for the same grid.
        inside: (B, 1, *wider), 1 where the moving image has voxels; farther than 4 of them beyond its end, nothing is
            compared. While more than a fifth of the fixed object goes there, the images have no force.
        masks: of fixed and moving image, (B, 1, *spatial) and (B, 1, *wider), 1 where they may be compared.
        others: weights of further forces and these, see :class:`~.force_sum.ForceSum`; for one pair.
        features: of an image, (1, 1, *spatial) → (1, C, *spatial), which the similarity "features" compares.
        on_iteration: called with the iteration, from 0, and the similarity before its step.

    Returns:
        (B, D, *spatial), voxels, float32 or as ``ddf`` float64.

    Raises:
        ValueError: for a field of another shape, a similarity that is not finite, or no features where they are asked
            for.

    Example:
        >>> x, y = torch.meshgrid(torch.linspace(-2, 2, 33), torch.linspace(-2, 2, 33), indexing="ij")
        >>> blob = torch.exp(-(x**2) - y**2)[None, None]
        >>> ddf = greedy_field(torch.zeros(1, 2, 33, 33), blob, blob.roll(2, 2), 30)
        >>> ddf[0, 0, 16, 16].round().item()
        2.0

    Reference:
        Avants et al., Medical Image Analysis 2008; Yushkevich et al., Fast automatic segmentation of hippocampal
        subfields and medial temporal lobe subregions in 3 Tesla and 7 Tesla T2-weighted MRI, 2016.
    """
    check_ddf(ddf)
    settings = settings or Greedy()
    ddf, fixed, moving = at_least_float32(ddf), at_least_float32(fixed), at_least_float32(moving)
    if fixed.shape[2:] != ddf.shape[2:] or not len(fixed) == len(moving) == len(ddf):
        raise ValueError(
            f"expected a field of the fixed image's shape and one pair per field, got {list(ddf.shape)},"
            f" {list(fixed.shape)} and {list(moving.shape)}"
        )
    if to_moving is None:
        to_moving = torch.eye(ddf.size(1), ddf.size(1) + 1, device=ddf.device)
    with torch.no_grad():
        found = []
        for k in range(len(ddf)):
            ends, *seen = (None if volume is None else volume[k : k + 1] for volume in (inside, *masks))
            images = Force(
                described(fixed[k : k + 1], settings, features),
                settings,
                seen[0],
                carries=any(part is not None for part in seen),
            )
            view = MovingView(described(moving[k : k + 1], settings, features), ends, to_moving, seen[1])
            start = ddf[k : k + 1].clone()
            force = ForceSum(InView(images, view.warped, fixed[k : k + 1], view.seen(start)), others)
            found.append(_improved(start, force, num_iterations, settings, on_iteration))
    return torch.cat(found)


def _improved(
    ddf: torch.Tensor,
    force: FieldForce,
    num_iterations: int,
    settings: Greedy,
    on_iteration: Callable[[int, float], None] | None,
) -> torch.Tensor:
    """The field of one pair, which is overwritten, after at most so many iterations."""
    history: list[float] = []
    step = settings.step
    for iteration in range(num_iterations):
        similarity, update = force(ddf)
        if not math.isfinite(similarity):
            raise ValueError(f"expected a finite similarity, got {similarity} in iteration {iteration}")
        if on_iteration is not None:
            on_iteration(iteration, similarity)
        history.append(similarity)
        if has_converged(history, settings):
            break
        if len(history) > 1 and similarity < history[-2]:
            step = max(SHORTER * step, LEAST_STEP * settings.step)
        update = bounded(gaussian_smooth(update, settings.fluid), step)
        for k in range(ddf.size(1)):
            ddf[:, k : k + 1] = gaussian_smooth(_moved(ddf, update, k), settings.elastic)
        del update  # before the next one is made
    return ddf


def has_converged(similarities: Sequence[float], settings: Greedy) -> bool:
    """Whether the last similarity is hardly above the one ``patience`` iterations before.

    Example:
        >>> has_converged([0.1, 0.5, 0.6], Greedy(patience=1)), has_converged([0.1, 0.6, 0.6], Greedy(patience=1))
        (False, True)
    """
    behind = len(similarities) - 1 - settings.patience
    return behind >= 0 and similarities[-1] < similarities[behind] + settings.tolerance


def bounded(update: torch.Tensor, longest: float) -> torch.Tensor:
    """Vectors v · longest / √(|v|² + q²), q = 2 √mean |v|²: none is longer, and a few strong ones do not slow the rest.

    Args:
        update: v, (1, D, *spatial), which is overwritten.
        longest: bound of the result's lengths.

    Example:
        >>> bounded(torch.full((1, 2, 4, 4), 3.0), 1.0).norm(dim=1).mean().item()  # 1 / √5
        0.447...
    """
    square = sum_of_squares(update)
    return update.mul_(square.add_(TYPICAL**2 * square.mean() + 1e-24).rsqrt_().mul_(longest))


def sum_of_squares(field: torch.Tensor) -> torch.Tensor:
    """Σ v_k² over channels, (B, 1, *spatial), without a copy of them all.

    Example:
        >>> sum_of_squares(torch.full((1, 3, 2, 2), 2.0)).unique().item()
        12.0
    """
    total = field[:, :1].square()
    for k in range(1, field.size(1)):
        total.addcmul_(field[:, k : k + 1], field[:, k : k + 1])
    return total


def compose_short(ddf: torch.Tensor, update: torch.Tensor) -> torch.Tensor:
    """Displacement of (id + u) ∘ (id + v) to first order in v, v + u + (v · ∇) u: for v well below a voxel.

    No interpolation blurs u, and it takes a third of the time of :func:`~common.fields.ddf.compose`.

    Args:
        ddf: u, (B, D, *spatial), voxels.
        update: v, the same shape.

    Returns:
        (B, D, *spatial), voxels.

    Example:
        >>> stretch = torch.arange(3.0).view(1, 1, 3, 1).expand(1, 2, 3, 3)
        >>> compose_short(stretch, torch.full((1, 2, 3, 3), 0.5))[0, 0, :, 0].tolist()  # 0.5 + (x + 0.5)
        [1.0, 2.0, 3.0]
    """
    return torch.cat([_moved(ddf, update, k) for k in range(ddf.size(1))], dim=1)


def _moved(ddf: torch.Tensor, update: torch.Tensor, component: int) -> torch.Tensor:
    """One component of :func:`compose_short`, (B, 1, *spatial), for which no other one of ``ddf`` is read."""
    part = ddf[:, component : component + 1]
    total = part + update[:, component : component + 1]
    for axis in range(update.size(1)):
        total.addcmul_(central_difference(part, axis + 2), update[:, axis : axis + 1])
    return total


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


class MovingView:
    """The moving image as a field sees it.

    Args:
        moving: (1, C, *wider).
        inside: (1, 1, *wider), 1 where it has voxels, or None where it covers all that is seen.
        to_moving: (D, D + 1), from voxels of the field to those of the moving image.
        mask: (1, 1, *wider), 1 where it may be compared, or None for everywhere.
    """

    def __init__(
        self,
        moving: torch.Tensor,
        inside: torch.Tensor | None,
        to_moving: torch.Tensor,
        mask: torch.Tensor | None = None,
    ) -> None:
        self.volume = moving
        # Interpolation with NaN is NaN: one sampling tells values and where there are none.
        if inside is not None:
            self.volume = self.volume.masked_fill(box_sum(inside.to(moving), REACH) < 0.5, torch.nan)
        if mask is not None:
            self.volume = self.volume.masked_fill(mask < 0.5, torch.nan)
        self.linear, self.shift = to_moving[:, :-1].tolist(), to_moving[:, -1].tolist()

    def warped(self, ddf: torch.Tensor) -> torch.Tensor:
        """Image under a ddf, (1, C, *spatial), NaN where the moving image ends."""
        return self._sampled(self.volume, ddf)

    def seen(self, ddf: torch.Tensor) -> torch.Tensor:
        """Where a ddf leads to voxels of the moving image that may be compared, (1, 1, *spatial), bool."""
        return ~self._sampled(self.volume[:, :1], ddf).isnan()

    def _sampled(self, volume: torch.Tensor, ddf: torch.Tensor) -> torch.Tensor:
        rows = max(1, SLAB_VOXELS // ddf[0, 0, 0].numel())
        slabs = []
        for start in range(0, ddf.size(2), rows):
            slab = ddf.narrow(2, start, min(rows, ddf.size(2) - start))
            coordinates = slab + identity_grid(list(slab.shape[2:]), dtype=ddf.dtype, device=ddf.device)
            coordinates[:, 0] += start
            slabs.append(sample(volume, self._in_moving(coordinates)))
        return torch.cat(slabs, dim=2)

    def _in_moving(self, voxels: torch.Tensor) -> torch.Tensor:
        """Voxels of the field, (1, D, *spatial), as those of the moving image."""
        parts = []
        for row, shift in zip(self.linear, self.shift, strict=True):
            part = torch.full_like(voxels[:, 0], shift)
            for axis, factor in enumerate(row):
                if factor:
                    part.add_(voxels[:, axis], alpha=factor)
            parts.append(part)
        return torch.stack(parts, dim=1)


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
    like = fixed[:, :1, inner]
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
