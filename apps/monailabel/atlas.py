"""Atlas segmentation: which labeled images resemble an image, and how the labels of several become one."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import torch
from monai.data import MetaTensor
from torch.nn import functional

from common.data.volume import input_image
from common.solvers.joint_histogram import equalize, normalized_mutual_information
from common.world.alignment import COARSE_VOXELS, INITS, aligned, initial_alignment, overlap_share
from common.world.grid import Grid, on_grid
from common.world.resample import resample, shrink

NUM_COARSE = 256  # images whose small versions are kept
TIE_BREAK = 0.1  # of a vote
WINDOW_VOXELS = 5
MIN_VARIANCE = 1e-6  # of intensities in [0, 1]
MIN_WEIGHT = 1e-3


def nearest(fixed: Path, candidates: Mapping[str, Path], count: int) -> list[str]:
    """The images most like the fixed one, the best first.

    Args:
        fixed: NIfTI file.
        candidates: files by name.
        count: at most so many.
    """
    reference = coarse(fixed)
    scores = {name: likeness(reference, coarse(path)) for name, path in candidates.items()}
    return sorted(scores, key=lambda name: -scores[name])[:count]


def coarse(path: Path) -> MetaTensor:
    """A small version of an image, about 40 voxels along its longest edge."""
    return _coarse(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=NUM_COARSE)
def _coarse(path: Path, changed: int) -> MetaTensor:
    image = input_image(path)
    grid = Grid.from_image(image)
    return on_grid(*shrink(image.as_tensor(), grid, max(grid.edges_mm) / COARSE_VOXELS), like=image)


def likeness(fixed: MetaTensor, moving: MetaTensor) -> float:
    """How much two images share, laid on each other by headers, centers or centers of mass, whichever is best.

    (NMI − 1) · o with the normalized mutual information of the common voxels, so that contrasts may differ, and the
    smaller of the shares of either box that lies in the other, so that a head is no atlas of a small part of it.

    Args:
        fixed: (1, X, Y, Z).
        moving: (1, X', Y', Z').

    Returns:
        In [0, 1].

    Example:
        >>> image = MetaTensor(torch.rand(1, 8, 8, 8), affine=torch.eye(4))
        >>> likeness(image, image) > likeness(image, MetaTensor(torch.rand(1, 8, 8, 8), affine=torch.eye(4)))
        True
    """
    values = [equalize(image.as_tensor()) for image in (fixed, moving)]
    matrices = [initial_alignment(init, fixed, moving) for init in INITS]
    return max(_likeness(*values, Grid.from_image(fixed), aligned(moving, matrix)) for matrix in matrices)


def _likeness(fixed: torch.Tensor, moving: torch.Tensor, grid: Grid, placed: MetaTensor) -> float:
    """The same for spread intensities in [0, 1], of a moving image that lies as ``placed`` does."""
    own, stays = Grid.from_image(placed), torch.eye(4, dtype=torch.float64)
    share = min(overlap_share(grid, own, stays), overlap_share(own, grid, stays))
    volume = torch.cat([moving, torch.ones_like(moving)])
    warped, inside = resample(volume, own, grid).flatten(1)
    information = normalized_mutual_information(fixed.flatten(), warped[None], (inside > 0.5).float()[None])
    return max(0.0, information.item() - 1) * share


def fuse(labels: Sequence[torch.Tensor], weights: Sequence[torch.Tensor | float]) -> torch.Tensor:
    """One label map of several: in each voxel x the number n with the largest Σ_a w_a(x) [label_a(x) = n].

    Args:
        labels: (1, X, Y, Z) each, whole numbers.
        weights: of each map, a number or (1, X, Y, Z).

    Returns:
        (1, X, Y, Z).

    Example:
        >>> labels = [torch.tensor([number]).view(1, 1, 1, 1) for number in (1, 2, 2)]
        >>> fuse(labels, majority(3)).item(), fuse(labels, [3.0, 1.0, 1.0]).item()
        (2, 1)

    Reference:
        Artaechevarria et al., Combination strategies in multi-atlas image segmentation, IEEE TMI 2009.
    """
    winner, best = labels[0], torch.zeros(labels[0].shape)
    for number in torch.stack(list(labels)).unique():
        votes = sum(weight * (label == number) for label, weight in zip(labels, weights, strict=True))
        winner = torch.where(votes > best, number, winner)
        best = torch.maximum(votes, best)
    return winner


def majority(count: int) -> list[float]:
    """Weights of one vote each and 0.1 / 2ʳ more for the map of rank r: in a tie the side with the first map wins.

    Example:
        >>> majority(3)
        [1.1, 1.05, 1.025]
    """
    return [1 + TIE_BREAK / 2**rank for rank in range(count)]


def local_similarity(fixed: torch.Tensor, warped: torch.Tensor) -> torch.Tensor:
    """Squared correlation of two images in a cube of five voxels around each voxel, above a small floor.

    Args:
        fixed: (1, X, Y, Z), any unit.
        warped: (1, X, Y, Z), any unit.

    Returns:
        (1, X, Y, Z), in [0.001, 1].

    Example:
        >>> image = torch.rand(1, 6, 6, 6)
        >>> local_similarity(image, 3 - 2 * image).min().item() > 0.99
        True
    """
    pair = [(image - image.min()) / (image.max() - image.min()).clamp(min=1e-12) for image in (fixed, warped)]
    first, second = (image.double() for image in pair)
    means = [_window_mean(x) for x in (first, second, first * first, second * second, first * second)]
    covariance = means[4] - means[0] * means[1]
    variances = [(means[k + 2] - means[k] ** 2).clamp(min=MIN_VARIANCE) for k in (0, 1)]
    return (covariance**2 / (variances[0] * variances[1])).clamp(MIN_WEIGHT, 1).float()


def _window_mean(image: torch.Tensor) -> torch.Tensor:
    half = WINDOW_VOXELS // 2
    return functional.avg_pool3d(image[None], WINDOW_VOXELS, stride=1, padding=half, count_include_pad=False)[0]
