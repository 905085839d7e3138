"""Exhaustive search for the displacement of a patch pair, the classical counterpart of the displacement classifier."""

import math
from collections.abc import Callable

import torch
from torch import nn

from ...fields.sampling import sample
from ...losses.mind import mind_ssc
from .patches import class_offsets

SIMILARITIES = ("ncc", "mi", "mind")
NUM_BINS = 16
MIND_RADIUS, MIND_DILATION = 3, 2  # samples; best of radius 1–6 and dilation 1–4 on three heads apart from any test
SPACING = 2.0  # voxels per sample of a patch


def unit_range(image: torch.Tensor) -> torch.Tensor:
    """Each image of a batch scaled to [0, 1]; a constant one becomes 0.

    Example:
        >>> unit_range(torch.tensor([[[2.0, 3.0, 6.0]]])).tolist()
        [[[0.0, 0.25, 1.0]]]
    """
    dims = list(range(1, image.dim()))
    low, high = image.amin(dims, keepdim=True), image.amax(dims, keepdim=True)
    return (image - low) / (high - low).clamp(min=1e-6)


def soft_bins(values: torch.Tensor, num_bins: int = NUM_BINS) -> torch.Tensor:
    """Share of every bin in each value of [0, 1], linear between the two nearest bins: (B, N) → (B, N, K).

    Example:
        >>> soft_bins(torch.tensor([[0.0, 0.25, 1.0]]), num_bins=3).tolist()
        [[[1.0, 0.0, 0.0], [0.5, 0.5, 0.0], [0.0, 0.0, 1.0]]]
    """
    bins = torch.arange(num_bins, dtype=values.dtype, device=values.device)
    return (1 - (values[..., None] * (num_bins - 1) - bins).abs()).clamp(min=0)


def cross_correlation(fixed: torch.Tensor, moving: torch.Tensor) -> torch.Tensor:
    """Normalized cross-correlation Σ f m / √(Σ f² Σ m²) of centered intensities: two (B, 1, N) → (B,) in [−1, 1].

    A constant patch has the value 0.
    """
    fixed, moving = (values - values.mean(dim=2, keepdim=True) for values in (fixed, moving))
    energy = fixed.square().sum(dim=(1, 2)) * moving.square().sum(dim=(1, 2))
    return (fixed * moving).sum(dim=(1, 2)) / energy.sqrt().clamp(min=1e-6)


def mutual_information(fixed: torch.Tensor, moving: torch.Tensor) -> torch.Tensor:
    """Mutual information in nats, I = H(f) + H(m) − H(f, m), of intensities in [0, 1]: two (B, 1, N) → (B,).

    N samples overestimate it by about (K_fm − K_f − K_m + 1) / 2N, where K counts occupied bins (Miller & Madow, 1955);
    it is subtracted, since candidates differ in N.
    """
    num_samples = fixed.shape[2]
    joint = soft_bins(fixed[:, 0]).mT @ soft_bins(moving[:, 0]) / num_samples
    parts = [joint.sum(dim=2), joint.sum(dim=1), joint.flatten(1)]
    fixed_entropy, moving_entropy, joint_entropy = (torch.special.entr(part).sum(dim=1) for part in parts)
    fixed_bins, moving_bins, joint_bins = ((part > 1e-6).sum(dim=1) for part in parts)
    bias = (joint_bins - fixed_bins - moving_bins + 1) / (2 * num_samples)
    return fixed_entropy + moving_entropy - joint_entropy - bias


def mind_similarity(fixed: torch.Tensor, moving: torch.Tensor) -> torch.Tensor:
    """Negative mean squared difference of MIND-SSC descriptors: two (B, C, N) → (B,)."""
    return -(fixed - moving).square().mean(dim=(1, 2))


def search_displacement(image: torch.Tensor, similarity: str) -> torch.Tensor:
    """Similarity of a patch pair at each of its possible displacements, usable in place of logits.

    For the class with offset o the two patches show the same place where fixed(y + o/2) = moving(y − o/2), in voxels
    about the center. Both are read there, each interpolated by the same half of the shift so that neither is smoother,
    and compared over their overlap: 39, 29 or 20 samples per axis for 0, 19 or 38 voxels. Every similarity is a mean
    over the overlap, so its size does not enter.

    Args:
        image: fixed and moving patch, (B, 2, *39), two or three spatial axes.
        similarity: "ncc" (signed normalized cross-correlation), "mi" (mutual information of 16 bins) or "mind"
            (negative distance of MIND-SSC descriptors).

    Returns:
        (B, 5**D), larger is more similar, classes as in :func:`~.patches.class_offsets`.

    Raises:
        ValueError: for another similarity or another number of channels.

    Example:
        >>> search_displacement(torch.rand(4, 2, 39, 39), "ncc").shape
        torch.Size([4, 25])
    """
    if similarity not in SIMILARITIES:
        raise ValueError(f"similarity: expected one of {', '.join(SIMILARITIES)}; got {similarity!r}")
    if image.dim() not in (4, 5) or image.shape[1] != 2:
        raise ValueError(f"expected patch pairs of shape (B, 2, *2 or 3 axes), got {list(image.shape)}")
    fixed, moving = (_features(patch, similarity) for patch in image.split(1, dim=1))
    score = {"ncc": cross_correlation, "mi": mutual_information, "mind": mind_similarity}[similarity]
    return scores_of_displacements(fixed, moving, score)


def scores_of_displacements(
    fixed: torch.Tensor, moving: torch.Tensor, score: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
) -> torch.Tensor:
    """:func:`search_displacement` of what describes two patches: two (B, C, *39) → (B, 5**D).

    Args:
        fixed: samples of the fixed patch.
        moving: samples of the moving patch.
        score: of the samples in the overlap, two (B, C, N) → (B,), larger is more similar.

    Example:
        >>> image = torch.rand(1, 1, 39, 39, generator=torch.Generator().manual_seed(0))
        >>> scores_of_displacements(image, image, cross_correlation).argmax().item()  # no displacement
        12
    """
    offsets = class_offsets(fixed.dim() - 2).to(fixed) / SPACING
    return torch.stack([score(*_overlap(fixed, moving, offset)) for offset in offsets], dim=1)


class PatchSearch(nn.Module):
    """:func:`search_displacement` in the place of a network; it has no weights.

    Args:
        similarity: "ncc", "mi" or "mind".

    Raises:
        ValueError: for another similarity.
    """

    def __init__(self, similarity: str = "mind") -> None:
        super().__init__()
        if similarity not in SIMILARITIES:
            raise ValueError(f"similarity: expected one of {', '.join(SIMILARITIES)}; got {similarity!r}")
        self.similarity = similarity

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Score every displacement: (B, 2, *39) → (B, 5**D)."""
        return search_displacement(image, self.similarity)


class UniformGuess(nn.Module):
    """Displacements drawn with equal chance, without a look at the patches: the row that every other must beat.

    Args:
        seed: of the draw.

    Example:
        >>> UniformGuess()(torch.zeros(3, 2, 39, 39)).shape
        torch.Size([3, 25])
    """

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self.generator = torch.Generator().manual_seed(seed)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Scores of (B, 2, *39) patch pairs in [0, 1): (B, 5**D)."""
        num_classes = len(class_offsets(image.dim() - 2))
        return torch.rand(len(image), num_classes, generator=self.generator).to(image.device)


def _features(patch: torch.Tensor, similarity: str) -> torch.Tensor:
    if similarity == "mi":
        return unit_range(patch)
    return mind_ssc(patch, MIND_RADIUS, MIND_DILATION) if similarity == "mind" else patch


def _overlap(fixed: torch.Tensor, moving: torch.Tensor, offset: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Samples of both patches where they show the same place: two (B, C, N). The offset (D,) is in samples."""
    axes = []
    for size, shift in zip(fixed.shape[2:], offset.abs().tolist(), strict=True):
        count = math.floor(size - shift)
        axes.append(torch.arange(count, dtype=fixed.dtype, device=fixed.device) + (size - count) / 2)
    places = torch.stack(torch.meshgrid(axes, indexing="ij")).expand(len(fixed), *[-1] * (len(axes) + 1))
    half = offset.view(-1, *[1] * len(axes)) / 2
    return sample(fixed, places + half).flatten(2), sample(moving, places - half).flatten(2)
