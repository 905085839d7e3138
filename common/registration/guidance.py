"""What is known of a pair beside its two images, and takes part in the registration."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from monai.data import MetaTensor

from ..solvers.label_force import common_labels
from ..world.alignment import aligned
from ..world.grid import apply_affine
from .landmark_pairs import paired
from .plane import slab

MAX_LABELS = 64  # whose shapes a refinement keeps


@dataclass(frozen=True)
class Guidance:
    """Masks, label maps and landmarks of a pair, each of them perhaps.

    Args:
        fixed_mask: (1, X, Y, Z), 1 where the fixed image may be compared, else 0.
        moving_mask: (1, X', Y', Z'), the same of the moving image.
        labels: label maps of fixed and moving image, of whole numbers.
        points: landmarks of the fixed image and those that correspond, (N, 3) and (N, 3), RAS mm.
    """

    fixed_mask: MetaTensor | None = None
    moving_mask: MetaTensor | None = None
    labels: tuple[MetaTensor, MetaTensor] | None = None
    points: tuple[torch.Tensor, torch.Tensor] | None = None

    @classmethod
    def of(cls, annotations: Mapping[str, Any]) -> "Guidance":
        """From annotations that fit their images, see :func:`~.fitting.fitted`."""
        masks = [annotations.get(name) for name in ("fixed_mask", "moving_mask")]
        labels, points = (
            [annotations[f"{side}_{kind}"] for side in ("fixed", "moving") if f"{side}_{kind}" in annotations]
            for kind in ("label", "points")
        )
        return cls(
            *masks,
            labels=tuple(labels) if len(labels) == 2 else None,
            points=paired(*points)[:2] if len(points) == 2 else None,
        )

    @property
    def took_part(self) -> list[str]:
        """Names of what there is, for the records."""
        return [part.name for part in fields(self) if getattr(self, part.name) is not None]

    @property
    def exchanged(self) -> "Guidance":
        """The same for the way from the moving to the fixed image.

        Example:
            >>> Guidance(points=(torch.zeros(1, 3), torch.ones(1, 3))).exchanged.points[0].tolist()
            [[1.0, 1.0, 1.0]]
        """
        labels, points = (pair and pair[::-1] for pair in (self.labels, self.points))
        return Guidance(self.moving_mask, self.fixed_mask, labels, points)

    def weighted(self, label_weight: float, point_weight: float) -> "Guidance":
        """The same without labels or landmarks whose weight is 0.

        Raises:
            ValueError: for a weight of labels or landmarks that one of the images lacks, and of no or too many labels.

        Example:
            >>> Guidance(points=(torch.zeros(1, 3), torch.zeros(1, 3))).weighted(0, 0).took_part
            []
        """
        for name, weight, given in (("label", label_weight, self.labels), ("point", point_weight, self.points)):
            if weight and given is None:
                raise ValueError(
                    f"{name}_weight: expected fixed_{name}{'s' * (name == 'point')} and"
                    f" moving_{name}{'s' * (name == 'point')} beside it, got not both"
                )
        if label_weight and self.labels is not None:
            count = len(common_labels(*(label.as_tensor() for label in self.labels)))
            if not 1 <= count <= MAX_LABELS:
                raise ValueError(
                    f"label_weight: expected 1 to {MAX_LABELS} labels that occur in both label maps, got {count}"
                )
        return replace(self, labels=self.labels if label_weight else None, points=self.points if point_weight else None)

    def aligned(self, matrix: torch.Tensor) -> "Guidance":
        """The same for a moving image that an alignment has brought into the fixed image's world.

        Args:
            matrix: (4, 4), from the fixed image's world to the moving image's.

        Example:
            >>> matrix = torch.eye(4).double()
            >>> matrix[0, 3] = 2.0
            >>> Guidance(points=(torch.zeros(1, 3), torch.zeros(1, 3))).aligned(matrix).points[1].tolist()
            [[-2.0, 0.0, 0.0]]
        """
        mask, labels, points = self.moving_mask, self.labels, self.points
        return replace(
            self,
            moving_mask=None if mask is None else aligned(mask, matrix),
            labels=None if labels is None else (labels[0], aligned(labels[1], matrix)),
            points=None if points is None else (points[0], apply_affine(torch.linalg.inv(matrix), points[1])),
        )

    def solid(self) -> "Guidance":
        """The same of planes, for the slabs in their place."""
        mask = [None if mask is None else slab(mask) for mask in (self.fixed_mask, self.moving_mask)]
        labels = None if self.labels is None else tuple(map(slab, self.labels))
        return replace(self, fixed_mask=mask[0], moving_mask=mask[1], labels=labels)


NO_GUIDANCE = Guidance()
