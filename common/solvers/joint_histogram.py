"""Joint histograms with a gradient, and the mutual information that follows from them."""

import torch

from ..quantiles import robust_range

NUM_BINS = 32
FINE_BINS = 512  # of the histogram from which intensities are spread
TAILS = (0.001, 0.999)  # quantiles beyond which intensities are clipped


def equalize(image: torch.Tensor) -> torch.Tensor:
    """Spread intensities over [0, 1] by the square roots of their frequencies, so that few bins serve all tissues.

    Mutual information does not depend on such an increasing map, but a histogram of few bins does: in CT, all soft
    tissue lies within 5 % of the range.

    Args:
        image: any shape and unit.

    Returns:
        The same shape, in [0, 1].

    Raises:
        ValueError: for a constant image.

    Example:
        >>> equalize(torch.tensor([[0.0, 0.0, 10.0, 1000.0]])).tolist()[0][0]
        0.0
    """
    low, high = robust_range(image, TAILS)
    if high <= low:
        raise ValueError(f"expected an image of several intensities, got {low.item():g} in all voxels")
    position = ((image - low) / (high - low)).clamp(0, 1) * (FINE_BINS - 1)
    counts = torch.bincount(position.flatten().round().long(), minlength=FINE_BINS)
    cumulated = counts.sqrt().cumsum(dim=0)
    cumulated = (cumulated - cumulated[0]) / (cumulated[-1] - cumulated[0])
    lower = position.floor().long().clamp(max=FINE_BINS - 2)
    return torch.lerp(cumulated[lower], cumulated[lower + 1], position - lower)


def joint_histogram(
    fixed: torch.Tensor, moving: torch.Tensor, weight: torch.Tensor, num_bins: int = NUM_BINS
) -> torch.Tensor:
    """Share of samples in each pair of bins; a moving sample counts in four of them by a cubic B-spline.

    Args:
        fixed: (N,), in [0, 1].
        moving: (B, N), in [0, 1].
        weight: (B, N), ≥ 0.
        num_bins: K along each axis.

    Returns:
        (B, K, K + 3), sums to 1; rows are the fixed image's bins. Its gradient reaches ``moving`` and ``weight``.

    Example:
        >>> histogram = joint_histogram(torch.tensor([0.0, 1.0]), torch.tensor([[0.0, 1.0]]), torch.ones(1, 2))
        >>> [round(x, 3) for x in histogram.sum(dim=2)[0, [0, -1]].tolist()]
        [0.5, 0.5]

    Reference:
        Mattes et al., PET-CT image registration in the chest using free-form deformations, IEEE TMI 2003, equation 7.
    """
    columns = num_bins + 3
    row = (fixed * num_bins).long().clamp(0, num_bins - 1) * columns
    position = moving.clamp(0, 1) * (num_bins - 1)
    lower = position.detach().floor().long().clamp(0, num_bins - 2)
    t = position - lower
    # The four cubic B-splines that are not zero at t, of the bins lower − 1 to lower + 2; bin −1 is column 0.
    spline = ((1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3)
    first = row + lower + torch.arange(len(moving), device=moving.device)[:, None] * (num_bins * columns)
    histogram = moving.new_zeros(len(moving) * num_bins * columns)
    for k, value in enumerate(spline):
        histogram = histogram.index_add(0, (first + k).flatten(), (weight * value / 6).flatten())
    histogram = histogram.view(len(moving), num_bins, columns)
    return histogram / histogram.sum(dim=(1, 2), keepdim=True).clamp(min=1e-12)


def normalized_mutual_information(
    fixed: torch.Tensor, moving: torch.Tensor, weight: torch.Tensor, min_share: float = 0.1
) -> torch.Tensor:
    """(H(fixed) + H(moving)) / H(fixed, moving) of samples: 1 for independent, 2 for identical ones.

    Args:
        fixed: (N,), in [0, 1].
        moving: (B, N), in [0, 1].
        weight: (B, N), 1 where the moving image was hit, else 0.
        min_share: a smaller mean weight scores below 1, rising with it.

    Returns:
        (B,).

    Example:
        >>> x = torch.rand(10000, generator=torch.Generator().manual_seed(0))
        >>> normalized_mutual_information(x, x[None].flip(1), torch.ones(1, 10000)).item() < 1.02
        True

    Reference:
        Studholme et al., Pattern Recognition 1999, equation 11.
    """
    joint = joint_histogram(fixed, moving, weight)
    value = (_entropy(joint.sum(dim=2)) + _entropy(joint.sum(dim=1))) / _entropy(joint.flatten(1)).clamp(min=1e-6)
    share = weight.mean(dim=1)
    return torch.where(share < min_share, share / min_share, value)


def _entropy(probability: torch.Tensor) -> torch.Tensor:
    return -torch.xlogy(probability, probability.clamp(min=1e-12)).sum(dim=1)
