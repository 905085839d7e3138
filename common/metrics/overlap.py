"""Overlap of label maps after registration: Dice and Hausdorff distance per structure."""

import math
import warnings
from collections.abc import Sequence

import torch
from monai.metrics import compute_dice, compute_hausdorff_distance
from monai.networks.utils import one_hot
from monai.utils import convert_to_tensor

HAUSDORFF_PERCENTILE = 95


def one_hot_label(label: torch.Tensor, num_structures: int) -> torch.Tensor:
    """Label map as one channel per class, to be warped linearly; :func:`label_of` turns the result back.

    Args:
        label: (1, X, Y, Z), whole numbers from 0 (background) to ``num_structures``.
        num_structures: without background.

    Returns:
        (num_structures + 1, X, Y, Z), float32.

    Raises:
        ValueError: for a larger label; names its file, where it carries one.

    Example:
        >>> one_hot_label(torch.tensor([[[[0.0, 2.0]]]]), 2)[:, 0, 0].tolist()
        [[1.0, 0.0], [0.0, 0.0], [0.0, 1.0]]
    """
    file = getattr(label, "meta", {}).get("filename_or_obj")
    label = convert_to_tensor(label, track_meta=False)
    if label.min() < 0 or label.max() > num_structures:
        raise ValueError(
            f"{file or 'label'}: expected labels from 0 to {num_structures}, the number of structures to score,"
            f" got {label.min():g} to {label.max():g}"
        )
    return one_hot(label, num_structures + 1, dim=0)


def label_of(channels: torch.Tensor) -> torch.Tensor:
    """Most probable class in each voxel, background where all channels are 0: (C, X, Y, Z) → (1, X, Y, Z) float32."""
    return channels.argmax(dim=0, keepdim=True).float()


def overlap_scores(
    label: torch.Tensor,
    fixed_label: torch.Tensor,
    spacing: Sequence[float],
    num_structures: int,
    moving_label: torch.Tensor | None = None,
) -> dict[str, float]:
    """Dice and 95 % Hausdorff distance of two label maps on one grid, per structure and as means.

    Args:
        label: (1, X, Y, Z), the warped moving label.
        fixed_label: (1, X, Y, Z).
        spacing: mm, tensor-axis order.
        num_structures: labels 1 to this number are scored.
        moving_label: (1, *any), the moving label before it was warped.

    Returns:
        ``dice_1``, …, ``dice``, in [0, 1], and ``hd95_mm_1``, …, ``hd95_mm``. Both are NaN for a structure that the
        fixed or the moving scan does not show; means leave NaN out. One that the warped label alone lacks has a Dice
        of 0 and no distance: ``hd95_missing`` is the number of these, and a warning names them.

    Example:
        >>> label = torch.zeros(1, 8, 8, 8)
        >>> label[0, 2:4, 2:6, 2:6] = 1
        >>> scores = overlap_scores(label, label.roll(1, dims=1), (2.0, 1.0, 1.0), 1)
        >>> scores["dice"], scores["hd95_mm"]
        (0.5, 2.0)
    """
    pair = [one_hot_label(x, num_structures)[None] for x in (label, fixed_label)]
    dice = compute_dice(*pair, include_background=False)[0]
    hd95 = compute_hausdorff_distance(
        *pair, include_background=False, percentile=HAUSDORFF_PERCENTILE, spacing=list(spacing)
    )[0]
    scores = {}
    shown = torch.ones(num_structures, dtype=torch.bool)
    if moving_label is not None:
        shown = torch.tensor([bool((moving_label == number).any()) for number in range(1, num_structures + 1)])
    for name, values in (("dice", dice), ("hd95_mm", hd95)):
        values = torch.where(values.isfinite() & shown.to(values.device), values, torch.nan)
        scores |= {f"{name}_{number}": value.item() for number, value in enumerate(values, start=1)}
        scores[name] = values.nanmean().item()
    missing = [number for number in range(1, num_structures + 1) if _lacks_only(scores, number)]
    if missing:
        warnings.warn(
            f"hd95_mm: expected in the warped label every structure of the fixed label, found none of the structures "
            f"{', '.join(map(str, missing))}; their distance is left out of the mean and counted in hd95_missing",
            stacklevel=2,
        )
    return scores | {"hd95_missing": float(len(missing))}


def _lacks_only(scores: dict[str, float], number: int) -> bool:
    """Whether a structure has a Dice, so that the fixed label has it, but no distance."""
    return math.isnan(scores[f"hd95_mm_{number}"]) and not math.isnan(scores[f"dice_{number}"])
