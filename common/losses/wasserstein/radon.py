"""Radon-Wasserstein distance: images as mass, summed over parallel planes, compared on the lines across them."""

from collections.abc import Iterator

import torch
from torch.autograd.function import once_differentiable

from .directions import ProjectedLoss

CHUNK = {"cpu": 2**18, "cuda": 2**26}  # voxels times directions worked on at once


def mass_of(image: torch.Tensor, other: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Two images as mass: shifted by their common smallest value, each scaled to sum 1.

    Args:
        image: (B, 1, *spatial), any unit; z-scored images hold negative values.
        other: the same shape.

    Returns:
        Two tensors (B, 1, *spatial), ≥ 0; two constant images give equal mass everywhere.

    Example:
        >>> image = torch.tensor([[[1.0, 2.0, 4.0]]])
        >>> mass_of(image, image)[0].tolist()
        [[[0.0, 0.25, 0.75]]]
    """
    axes = tuple(range(1, image.ndim))
    smallest = torch.minimum(image.detach().amin(axes, keepdim=True), other.detach().amin(axes, keepdim=True))
    shifted = [x - smallest for x in (image, other)]
    empty = torch.stack([x.detach().sum(axes, keepdim=True) == 0 for x in shifted]).any(0)
    shifted = [x + empty for x in shifted]
    return shifted[0] / shifted[0].sum(axes, keepdim=True), shifted[1] / shifted[1].sum(axes, keepdim=True)


def radon_projection(image: torch.Tensor, directions: torch.Tensor, num_bins: int) -> torch.Tensor:
    """Mass on the lines through the center of the image: every voxel x is split over the two bins around ⟨x, θ⟩.

    Bins are equally spaced and reach from corner to corner of the image, whatever the direction.

    Args:
        image: (B, *spatial), D spatial axes.
        directions: θ, (K, D), unit vectors.
        num_bins: L, ≥ 2.

    Returns:
        (B, K, L), each line with the sum of the image.

    Example:
        >>> image = torch.zeros(1, 3, 3)
        >>> image[0, 1, 1] = 1.0
        >>> radon_projection(image, torch.tensor([[1.0, 0.0]]), 3).tolist()
        [[[0.0, 1.0, 0.0]]]
    """
    return _RadonProjection.apply(image, directions, num_bins)


def histogram_distance(masses: torch.Tensor, others: torch.Tensor, power: int = 1) -> torch.Tensor:
    """Exact distance of histograms on a line, W_p^p = ∫ |F⁻¹(q) − G⁻¹(q)|^p dq, in bins.

    For p = 1 that is Σ_l |F_l − G_l| with the cumulated masses F and G; for p = 2 the quantile functions are stepwise
    constant between the sorted values of F and G.

    Args:
        masses: (..., L), each summing to 1.
        others: (..., L).
        power: p, 1 or 2.

    Returns:
        (...), bins to the power p.

    Raises:
        ValueError: for another p.

    Example:
        >>> masses = torch.eye(4)
        >>> histogram_distance(masses[0], masses[3]).item(), histogram_distance(masses[0], masses[3], 2).item()
        (3.0, 9.0)
    """
    if power not in (1, 2):
        raise ValueError(f"expected power 1 or 2, got {power}")
    if power == 1:
        return (masses - others).cumsum(-1).abs().sum(-1)
    cumulated = [x.cumsum(-1) for x in (masses, others)]
    levels = torch.cat(cumulated, dim=-1).sort(dim=-1).values
    widths = levels.diff(dim=-1, prepend=torch.zeros_like(levels[..., :1]))
    middles = (levels - widths / 2).detach()
    last = masses.shape[-1] - 1
    quantiles = [torch.searchsorted(x.detach().contiguous(), middles).clamp(max=last) for x in cumulated]
    return (widths * (quantiles[0] - quantiles[1]).to(widths) ** power).sum(-1)


def radon_wasserstein(
    image: torch.Tensor, other: torch.Tensor, directions: torch.Tensor, num_bins: int = 50, power: int = 1
) -> torch.Tensor:
    """Mean over directions of the distance between the projected masses of two images.

    Args:
        image: (B, 1, *spatial), any unit.
        other: the same shape.
        directions: (K, D), unit vectors.
        num_bins: of every line.
        power: p, 1 or 2.

    Returns:
        (B,), in shares of the image's diagonal, to the power p.

    Raises:
        ValueError: where the images are not (B, 1, *spatial) of one shape.

    Example:
        >>> image = torch.zeros(1, 1, 5, 5)
        >>> image[..., 2, 2] = 1.0
        >>> moved = image.roll(2, dims=2)
        >>> radon_wasserstein(image, moved, torch.tensor([[1.0, 0.0]]), 9).item()  # 2 of 4·√2 voxels
        0.35355...

    Reference:
        Shams et al., ISBI 2022, section 2.2, after Kolouri et al., Generalized sliced Wasserstein distances, 2019.
    """
    if image.shape != other.shape or image.ndim < 3 or image.shape[1] != 1:
        raise ValueError(f"expected two images (B, 1, *spatial), got {tuple(image.shape)} and {tuple(other.shape)}")
    mass, other_mass = (x[:, 0] for x in mass_of(image, other))
    if power == 1:  # depends on the difference alone, and the projection is linear: one does
        line = radon_projection(mass - other_mass, directions, num_bins)
        distance = histogram_distance(line, torch.zeros_like(line))
    else:
        lines = [radon_projection(x, directions, num_bins) for x in (mass, other_mass)]
        distance = histogram_distance(*lines, power)
    return distance.mean(dim=1) / (num_bins - 1) ** power


class RadonWassersteinLoss(ProjectedLoss):
    """:func:`radon_wasserstein` with directions of its own: mean over the batch.

    Args:
        num_projections: K; 400 in the paper.
        num_bins: the paper's "embedding size of 50" is read as the number of bins of a projection.
        power: p; not in the paper.
        spatial_dims: D.
        redraw: whether every call in training mode draws new directions.
        seed: of the directions.
    """

    def __init__(
        self,
        num_projections: int = 400,
        num_bins: int = 50,
        power: int = 1,
        spatial_dims: int = 3,
        redraw: bool = True,
        seed: int = 0,
    ):
        super().__init__(num_projections, spatial_dims, power, redraw, seed)
        if num_bins < 2:
            raise ValueError(f"expected at least 2 bins, got {num_bins}")
        self.num_bins = num_bins

    def distance(self, warped: torch.Tensor, fixed: torch.Tensor, directions: torch.Tensor) -> torch.Tensor:
        """(B,), of images (B, 1, *spatial) along directions (K, D)."""
        return radon_wasserstein(warped, fixed, directions, self.num_bins, self.power)


class _RadonProjection(torch.autograd.Function):
    """Linear in the image, so the backward pass is the transposed map; both find the bins anew and keep nothing."""

    @staticmethod
    def forward(ctx, image, directions, num_bins):
        ctx.directions, ctx.num_bins, ctx.like = directions.detach().to(image), num_bins, image.detach()
        voxels = ctx.like.flatten(1)
        lines = voxels.new_zeros(len(voxels), len(directions) * num_bins)
        for chosen, below, above in _bins(ctx.directions, ctx.like, num_bins):
            index = below.flatten().long()
            for line, values in zip(lines[:, chosen], voxels, strict=True):
                upper = above * values
                line.scatter_add_(0, index, (values - upper).flatten())
                line[1:].scatter_add_(0, index, upper.flatten())
        return lines.unflatten(1, (len(directions), num_bins))

    @staticmethod
    @once_differentiable
    def backward(ctx, weight):
        gradient = ctx.like.new_zeros(len(weight), ctx.like[0].numel())
        for chosen, below, above in _bins(ctx.directions, ctx.like, ctx.num_bins):
            index = below.flatten()
            for total, line in zip(gradient, weight.flatten(1)[:, chosen], strict=True):
                rises = line.diff(append=line[-1:])
                starts, slopes = (x.index_select(0, index).view_as(above) for x in (line, rises))
                total += starts.addcmul_(slopes, above).sum(0)
        return gradient.view_as(ctx.like), None, None


def _bins(
    directions: torch.Tensor, image: torch.Tensor, num_bins: int
) -> Iterator[tuple[slice, torch.Tensor, torch.Tensor]]:
    """Per chunk of k directions: its k · num_bins bins; bin below each voxel and share of the next, (k, voxels)."""
    axes = [torch.arange(size).to(image) - (size - 1) / 2 for size in image.shape[1:]]
    diagonal = sum((size - 1) ** 2 for size in image.shape[1:]) ** 0.5
    scale = (num_bins - 1) / max(diagonal, 1e-6)
    step = max(1, CHUNK.get(image.device.type, CHUNK["cuda"]) // image[0].numel())
    for start in range(0, len(directions), step):
        stop = min(start + step, len(directions))
        position = torch.full((), (num_bins - 1) / 2).to(image)
        for axis, coordinate in enumerate(axes):
            shape = [-1] + [1] * len(axes)
            shape[axis + 1] = len(coordinate)
            position = position + (scale * directions[start:stop, axis, None] * coordinate).view(shape)
        position = position.flatten(1)
        below = position.floor().clamp_(0, num_bins - 2)
        first = num_bins * torch.arange(stop - start, dtype=torch.int32, device=image.device)
        yield slice(start * num_bins, stop * num_bins), below.int() + first[:, None], position.sub_(below)
