"""Scores of a pair on the network's grid: endpoint error where the truth is known, Dice where there are labels."""

import logging
import math
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any

import torch
from monai.metrics import compute_dice
from monai.transforms import Transform
from monai.utils import convert_to_tensor

from ...data.volume import input_label
from ...fields.ddf import warp
from ...fields.jacobian import jacobian_determinant, sdlogj
from ...metrics.overlap import label_of, one_hot_label
from ...metrics.scores import SCORES_KEY
from ...world.grid import Grid

logger = logging.getLogger(__name__)
SCORES = ("error_mm", "error_p95_mm", "initial_error_mm", "dice", "initial_dice")  # NaN where they are not known
MIN_VOXELS = 100  # smaller structures are not scored, as in the paper


def endpoint_error_mm(
    ddf: torch.Tensor, true_ddf: torch.Tensor, mask: torch.Tensor, spacing_mm: Sequence[float]
) -> torch.Tensor:
    """Distance between where a field and the true one send each voxel of a mask.

    Args:
        ddf: (3, X, Y, Z), voxels.
        true_ddf: of the same shape.
        mask: (1, X, Y, Z).
        spacing_mm: tensor-axis order.

    Returns:
        (voxels of the mask,), mm.

    Example:
        >>> zero, mask = torch.zeros(3, 2, 2, 2), torch.ones(1, 2, 2, 2, dtype=torch.bool)
        >>> endpoint_error_mm(zero, zero + 1, mask, (2.0, 1.0, 2.0)).unique().tolist()
        [3.0]
    """
    scale = torch.tensor(list(spacing_mm), dtype=ddf.dtype, device=ddf.device).view(3, 1, 1, 1)
    return ((ddf - true_ddf) * scale).norm(dim=0)[mask[0]]


def num_folded_voxels(ddf: torch.Tensor) -> int:
    """Voxels with a Jacobian determinant ≤ 0, border included, of a field (3, X, Y, Z) in voxels."""
    return int((jacobian_determinant(ddf[None]) <= 0).sum())


def whole_folding_fraction(ddf: torch.Tensor) -> float:
    """Share of these voxels; :func:`~common.fields.jacobian.inner_folding_fraction` leaves the border out."""
    return num_folded_voxels(ddf) / ddf[0].numel()


def scored_structures(labels: Iterable[torch.Tensor], min_voxels: int = MIN_VOXELS) -> list[int]:
    """Structures with at least so many voxels in every label map, without the background 0.

    Example:
        >>> scored_structures([torch.tensor([0, 1, 1, 2]), torch.tensor([1, 1, 1, 0])], min_voxels=2)
        [1]
    """
    large = [_large_structures(convert_to_tensor(label, track_meta=False), min_voxels) for label in labels]
    return sorted(set.intersection(*large) - {0}) if large else []


def _large_structures(label: torch.Tensor, min_voxels: int) -> set[int]:
    return set((label.long().flatten().bincount() >= min_voxels).nonzero().flatten().tolist())


def structures_of(subjects: Iterable[Mapping[str, Any]], min_voxels: int = MIN_VOXELS) -> list[int]:
    """Structures of a data set that are scored: those with at least so many voxels in every subject.

    Every label map is read, a fifth of a second each. ``metrics.json`` holds what was found, under ``structures``;
    given by hand to another evaluation (``--structures "[2, 3]"``), it is taken as it is and nothing is read.

    Args:
        subjects: of all parts; ``label`` is a file or a label map. Subjects without one do not count.
        min_voxels: in the label map as it is, before the network's grid.

    Returns:
        Their numbers, ascending; none without labels.

    Example:
        >>> structures_of([{"label": torch.full((1, 5, 5, 5), 3)}, {"T1": "T1.nii.gz"}])
        [3]

    Reference: Snaauw et al., EMBC 2022, section II-C.
    """
    labels = [subject["label"] for subject in subjects if "label" in subject]
    if labels:
        logger.info("structures: reading %d label maps; --structures of a former metrics.json spares it", len(labels))
    return scored_structures((x if isinstance(x, torch.Tensor) else input_label(x) for x in labels), min_voxels)


def renumbered(label: torch.Tensor, structures: Sequence[int]) -> torch.Tensor:
    """Label map with the given structures as 1, 2, … and everything else as 0, float32.

    Example:
        >>> renumbered(torch.tensor([0, 7, 40]), [7, 41]).tolist()
        [0.0, 1.0, 0.0]
    """
    table = torch.zeros(int(max(int(label.max()), *structures, 0)) + 1, device=label.device)
    table[list(structures)] = torch.arange(1, len(structures) + 1, dtype=table.dtype, device=label.device)
    return table[torch.as_tensor(label).long()]


class ScoreAlignmentd(Transform):
    """Score a pair on the network's grid; results lie under ``scores``.

    Always: ``num_folded``, ``folding_fraction``, border included, and ``sdlogj``. With ``true_ddf`` and ``brain``:
    ``error_mm``, ``error_p95_mm``, ``initial_error_mm``. With labels: ``initial_dice``, ``dice``,
    ``dice_<structure>``. With a similarity: ``image_loss``. Scores that a pair does not allow are NaN.

    Args:
        similarity: called with (warped, fixed, generators).
        min_voxels: smaller structures are not scored, where ``structures`` leaves the choice to the pair.
        ddf_key: (3, X, Y, Z), voxels.
        seed: of the similarity's randomness, the same for every pair.
        structures: to score, such as those of :func:`structures_of`; None for those that are large enough in the pair.
    """

    def __init__(
        self,
        similarity: Callable | None = None,
        min_voxels: int = MIN_VOXELS,
        ddf_key: str = "pred",
        seed: int = 0,
        structures: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        self.structures = structures
        self.similarity, self.min_voxels, self.ddf_key, self.seed = similarity, min_voxels, ddf_key, seed

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """The item with its scores and ``warped``."""
        item = dict(data)
        ddf = torch.as_tensor(item[self.ddf_key]).float()
        fixed, moving = (torch.as_tensor(item[side]).to(ddf)[None] for side in ("fixed", "moving"))
        warped = warp(moving, ddf[None])
        scores = dict.fromkeys(SCORES, math.nan) | {
            "num_folded": float(num_folded_voxels(ddf)),
            "folding_fraction": whole_folding_fraction(ddf),
            "sdlogj": sdlogj(ddf[None]).item(),
        }
        if self.similarity is not None:
            with torch.no_grad():
                generator = torch.Generator(ddf.device).manual_seed(self.seed)
                scores["image_loss"] = float(self.similarity(warped, fixed, [generator]))
        if "true_ddf" in item:
            scores |= self._errors(item, ddf)
        if "fixed_label" in item:
            scores |= self._overlap(item, ddf)
        return item | {"warped": warped[0], SCORES_KEY: {**item.get(SCORES_KEY, {}), **scores}}

    def _errors(self, item: Mapping, ddf: torch.Tensor) -> dict[str, float]:
        truth, brain = torch.as_tensor(item["true_ddf"]).to(ddf), torch.as_tensor(item["brain"]).to(ddf.device)
        spacing = Grid.from_image(item["fixed"]).spacing
        error, before = (endpoint_error_mm(u, truth, brain.bool(), spacing) for u in (ddf, torch.zeros_like(ddf)))
        ranked = error.sort().values
        return {
            "error_mm": error.mean().item(),
            "error_p95_mm": ranked[int(0.95 * (len(ranked) - 1))].item(),
            "initial_error_mm": before.mean().item(),
        }

    def _overlap(self, item: Mapping, ddf: torch.Tensor) -> dict[str, float]:
        labels = [torch.as_tensor(item[f"{side}_label"]).to(ddf.device) for side in ("fixed", "moving")]
        structures = scored_structures(labels, self.min_voxels) if self.structures is None else self.structures
        if not structures:
            return {}
        fixed, moving = (renumbered(label, structures) for label in labels)
        count = len(structures)
        warped = label_of(warp(one_hot_label(moving, count)[None], ddf[None], padding_mode="zeros")[0])
        target = one_hot_label(fixed, count)[None]
        dice, before = (
            compute_dice(one_hot_label(x, count)[None], target, include_background=False)[0] for x in (warped, moving)
        )
        named = {f"dice_{s}": value for s, value in zip(structures, dice.tolist(), strict=True)}
        return named | {"dice": dice.nanmean().item(), "initial_dice": before.nanmean().item()}
