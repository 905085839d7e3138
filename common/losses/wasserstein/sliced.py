"""Sliced Wasserstein distance between point sets, and between images cut into rows of voxels."""

from collections.abc import Iterator

import torch
from torch.autograd.function import once_differentiable
from torch.nn import functional

from .directions import ProjectedLoss
from .sort_order import sort_order

CHUNK = {"cpu": 2**18, "cuda": 2**26}  # projected values worked on at once: a megabyte stays in a CPU's cache


def sliced_wasserstein(
    points: torch.Tensor, others: torch.Tensor, directions: torch.Tensor, power: int = 2
) -> torch.Tensor:
    """Distance of paired point sets, SW_p^p = (1/K) Σ_k (1/n) Σ_i |⟨x, θ_k⟩_(i) − ⟨y, θ_k⟩_(i)|^p.

    _(i) is the i-th smallest of the n projections. Given the order, the distance is a sum of powers of differences, so
    its gradient is known as soon as the value is: it is computed with the value, chunk by chunk, and only a tensor of
    the shape of the points is kept. There is no second derivative.

    Args:
        points: x, (G, n, E), G sets of n points in E dimensions, finite.
        others: y, (G, n, E).
        directions: θ, (K, E).
        power: p, 1 or 2.

    Returns:
        (G,), the p-th power of the distance of each pair of sets, in the unit of the points to the power p.

    Raises:
        ValueError: where the shapes do not fit or p is another.

    Example:
        >>> x = torch.tensor([[[0.0], [1.0]]])
        >>> sliced_wasserstein(x, x.flip(1) + 2, torch.ones(1, 1)).item()
        4.0

    Reference:
        Shams et al., ISBI 2022, equation 3. ``ot.sliced_wasserstein_distance`` of POT with the same projections is
        the p-th root.
    """
    fits = points.ndim == 3 and points.shape == others.shape and directions.shape[1:] == points.shape[2:]
    if not fits or points.numel() == 0:
        raise ValueError(
            f"expected two tensors (G, n, E) and directions (K, E),"
            f" got {tuple(points.shape)}, {tuple(others.shape)} and {tuple(directions.shape)}"
        )
    if power not in (1, 2):
        raise ValueError(f"expected power 1 or 2, got {power}")
    return _SlicedWasserstein.apply(points, others, directions, power)


def voxel_rows(image: torch.Tensor, embedding: int) -> torch.Tensor:
    """Images as point sets: consecutive voxels form rows, the points, zeros fill up the last row.

    Args:
        image: (G, *any), any unit; voxels in C order.
        embedding: E, voxels per row.

    Returns:
        (G, n, E) with n = ⌈voxels / E⌉.

    Example:
        >>> voxel_rows(torch.arange(5.0)[None], 2)[0].tolist()
        [[0.0, 1.0], [2.0, 3.0], [4.0, 0.0]]
    """
    voxels = image.flatten(1)
    return functional.pad(voxels, (0, -voxels.shape[1] % embedding)).unflatten(1, (-1, embedding))


class SlicedWassersteinLoss(ProjectedLoss):
    """:func:`sliced_wasserstein` of whole images, read as sets of rows of voxels: mean over the batch.

    The rows of an image have no order, so the distance compares the patterns that occur, wherever they lie.

    Args:
        num_projections: K; the paper uses 400.
        embedding: E, voxels per row. The paper's "embedding size of 50" is read as the dimension of the points.
        power: p; not in the paper.
        redraw: whether every call draws new directions.
        seed: of the directions.
    """

    def __init__(
        self, num_projections: int = 400, embedding: int = 50, power: int = 2, redraw: bool = True, seed: int = 0
    ):
        super().__init__(num_projections, embedding, power, redraw, seed)
        self.embedding = embedding

    def distance(self, warped: torch.Tensor, fixed: torch.Tensor, directions: torch.Tensor) -> torch.Tensor:
        """(B,), of images (B, C, *spatial) along directions (K, E)."""
        rows, others = voxel_rows(warped, self.embedding), voxel_rows(fixed, self.embedding)
        return sliced_wasserstein(rows, others, directions, self.power)


class _SlicedWasserstein(torch.autograd.Function):
    @staticmethod
    def forward(ctx, points, others, directions, power):
        sets = [points.detach().float() if points.dtype.itemsize < 4 else points.detach()]
        sets.append(others.detach().to(sets[0]))
        directions = directions.detach().to(sets[0])
        gradients = [torch.zeros_like(s) if need else None for s, need in zip(sets, ctx.needs_input_grad, strict=False)]
        cost = sets[0].new_zeros(len(points))
        for group, chosen in _chunks(sets[0], directions):
            parts = [s[group] for s in sets]
            accumulators = [None if g is None else g[group] for g in gradients]
            cost[group] += _add_chunk(parts, accumulators, directions[chosen], power)
        factor = len(directions) * points.shape[1]
        ctx.gradients = [None if g is None else g.div_(factor) for g in gradients]
        ctx.dtypes = points.dtype, others.dtype
        return cost / factor

    @staticmethod
    @once_differentiable
    def backward(ctx, weight):
        scaled = [
            None if g is None else (g * weight[:, None, None]).to(dtype)
            for g, dtype in zip(ctx.gradients, ctx.dtypes, strict=True)
        ]
        return *scaled, None, None


def _chunks(points: torch.Tensor, directions: torch.Tensor) -> Iterator[tuple[slice, slice]]:
    """Slices of the sets and of the directions: several sets with all directions, or one set with some of them."""
    limit = CHUNK.get(points.device.type, CHUNK["cuda"])
    num_sets = max(1, limit // (len(directions) * points.shape[1]))
    num_directions = len(directions) if num_sets > 1 else max(1, limit // points.shape[1])
    for first in range(0, len(points), num_sets):
        for start in range(0, len(directions), num_directions):
            yield slice(first, first + num_sets), slice(start, start + num_directions)


def _add_chunk(parts, gradients, directions: torch.Tensor, power: int) -> torch.Tensor:
    """Cost (G,) of a chunk, unnormalized; its gradient is added to the tensors in ``gradients`` that are not None."""
    projected = [directions @ part.mT for part in parts]  # (G, K, n): the sorted axis is the contiguous one
    orders = [sort_order(values) for values in projected]
    difference = projected[0].gather(-1, orders[0]).sub_(projected[1].gather(-1, orders[1]))
    cost = (difference.square() if power == 2 else difference.abs()).sum(dim=(1, 2))
    slope = difference.mul_(2) if power == 2 else difference.sign_()
    for sign, values, order, gradient in zip((1, -1), projected, orders, gradients, strict=True):
        if gradient is not None:
            gradient.add_(values.scatter_(-1, order, slope).mT @ directions, alpha=sign)
    return cost
