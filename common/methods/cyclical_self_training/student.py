"""Student and teacher of the self-training on image pairs."""

from collections.abc import Mapping

import torch
from monai.losses import DiceLoss
from monai.networks import one_hot
from torch import nn

from ...fields.ddf import warp
from ...losses.mind import mind_ssc
from ...losses.registration import diffusion
from ...losses.similarity import dissimilarity
from ...precision import bfloat16_autocast
from .inferer import RefinedInferer
from .network import ConvexRegistration

SUPERVISIONS = ("pseudo_label", "mind", "ncc", "supervised")
SIMILARITIES = ("", "mind", "ncc")
LOSS_FACTOR = 1.5  # of the mean distance; a constant of the authors' code


def label_distance(pred: torch.Tensor, label: torch.Tensor, crop: int = 0) -> torch.Tensor:
    """1.5 · mean over nodes of ‖pred − label‖, without ``crop`` nodes at every border.

    Args:
        pred: (B, 3, *nodes), voxels.
        label: of the same shape.
        crop: nodes.

    Returns:
        A scalar, voxels.

    Raises:
        ValueError: for different shapes, or a crop that leaves nothing.

    Example:
        >>> label = torch.tensor([3.0, 4.0, 0.0]).view(1, 3, 1, 1, 1).expand(1, 3, 4, 4, 4)
        >>> label_distance(torch.zeros(1, 3, 4, 4, 4), label, crop=1).item()
        7.5
    """
    if pred.shape != label.shape or 2 * crop >= min(pred.shape[2:]):
        raise ValueError(
            f"expected fields of one shape with more than {2 * crop} nodes per axis, "
            f"got {list(pred.shape)} and {list(label.shape)}"
        )
    distance = torch.linalg.vector_norm(pred - label, dim=1)
    for axis in range(1, 4):
        distance = distance.narrow(axis, crop, distance.size(axis) - 2 * crop)
    return LOSS_FACTOR * distance.mean()


class ImageStudentLoss:
    """Loss of one solve, without refinement, on an augmented pair.

    Args:
        label_stride: voxels between the nodes on which prediction and label are compared.
        crop: nodes left out at every border.
        amp: features in bfloat16, where the device multiplies it; the solver always works in float32.
        supervision: "pseudo_label"; or, for comparison, "mind" or "ncc": dissimilarity of the warped pair, or
            "supervised": soft Dice of its structures, what the same network learns from labels.
        regularization_weight: of :func:`~common.losses.registration.diffusion` with all but the plain "pseudo_label".
        num_structures: labels 1 to this number count with "supervised".
        similarity: what a student of pseudo labels compares of the warped pair besides, "mind" or "ncc":
            distance + similarity_weight · (dissimilarity + regularization_weight · diffusion). Empty for the distance
            alone, as in the paper.
        similarity_weight: of that term, > 0.

    Raises:
        ValueError: for an unknown supervision or similarity, a similarity with another supervision than
            "pseudo_label" or without a positive weight.
    """

    def __init__(
        self,
        label_stride: int = 2,
        crop: int = 8,
        amp: bool = False,
        supervision: str = "pseudo_label",
        regularization_weight: float = 1.0,
        num_structures: int = 2,
        similarity: str = "",
        similarity_weight: float = 30.0,
    ) -> None:
        if supervision not in SUPERVISIONS:
            raise ValueError(f"expected a supervision of {', '.join(SUPERVISIONS)}, got {supervision!r}")
        if similarity not in SIMILARITIES or (similarity and supervision != "pseudo_label"):
            raise ValueError(
                "student_similarity: expected mind or ncc with supervision pseudo_label, or none, "
                f"got {similarity!r} with supervision {supervision}"
            )
        if similarity_weight <= 0:
            raise ValueError(f"student_similarity_weight: expected a positive number, got {similarity_weight}")
        self.similarity, self.similarity_weight = similarity, similarity_weight
        self.label_stride, self.crop, self.amp = label_stride, crop, amp
        self.supervision, self.regularization_weight = supervision, regularization_weight
        self.ncc, self.num_structures = dissimilarity("lncc"), num_structures
        self.soft_dice = DiceLoss()

    def __call__(self, network: ConvexRegistration, sample: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Loss of a batch: a scalar.

        Args:
            network: the student.
            sample: ``image`` (B, 2, *spatial), ``label`` (B, 3, *nodes) and, with "supervised", ``structures``
                (B, 2, *spatial), whole numbers from 0 to num_structures.

        Raises:
            ValueError: with "supervised", for a sample without structures, or with labels beyond num_structures.
        """
        device = next(network.parameters()).device
        image = torch.as_tensor(sample["image"]).to(device)
        fixed, moving = image[:, :1], image[:, 1:]
        with bfloat16_autocast(device.type, self.amp):
            # One batch of both images, so that batch norm scales them alike.
            coarse = network.features(torch.cat([fixed, moving]))[1].float()
        cells = network.match(*coarse.chunk(2))
        if self.supervision != "pseudo_label":
            return self._comparison(network, cells, image, sample)
        label = torch.as_tensor(sample["label"]).to(device)
        nodes = network.to_voxels(cells, list(label.shape[2:]), self.label_stride)
        distance = label_distance(nodes, label, self.crop)
        if not self.similarity:
            return distance
        return distance + self.similarity_weight * self._comparison(network, cells, image, sample)

    def _comparison(
        self,
        network: ConvexRegistration,
        cells: torch.Tensor,
        image: torch.Tensor,
        sample: Mapping[str, torch.Tensor],
    ) -> torch.Tensor:
        """Dissimilarity of the warped pair, with the regularization of the field."""
        ddf = network.to_voxels(cells, list(image.shape[2:]), 1)
        return self._dissimilarity(ddf, image, sample) + self.regularization_weight * diffusion(ddf)

    def _dissimilarity(
        self, ddf: torch.Tensor, image: torch.Tensor, sample: Mapping[str, torch.Tensor]
    ) -> torch.Tensor:
        if self.supervision == "supervised":
            fixed, moving = self._structures(sample, image)
            return self.soft_dice(warp(moving, ddf, padding_mode="zeros"), fixed)
        fixed, warped = image[:, :1], warp(image[:, 1:], ddf)
        if "mind" in (self.supervision, self.similarity):
            return (mind_ssc(warped) - mind_ssc(fixed)).square().mean()
        return self.ncc(warped, fixed)

    def _structures(self, sample: Mapping[str, torch.Tensor], image: torch.Tensor) -> list[torch.Tensor]:
        """Indicators of the structures, (B, num_structures, *spatial), of fixed and moving."""
        if "structures" not in sample:
            raise ValueError("supervision supervised: expected labels of the fit part as structures, got none")
        labels = torch.as_tensor(sample["structures"]).to(image)
        last = self.num_structures
        if labels.min() < 0 or labels.max() > last or (labels != labels.round()).any():
            raise ValueError(
                f"supervision supervised: expected whole labels from 0 to num_structures = {last}, "
                f"got {labels.min():g} to {labels.max():g}"
            )
        return [one_hot(labels[:, k : k + 1], last + 1, dtype=image.dtype)[:, 1:] for k in (0, 1)]


class ImageLabeler:
    """Pseudo label of a pair: the refined field of the network, on every ``label_stride``-th voxel.

    The difficulty is the mean length of what Adam changed, so a pair on which network and refinement agree is easy.

    Args:
        inferer: warps, consistency and Adam.
        label_stride: voxels between nodes.
        refine: False takes a single solve as label, and all pairs for equally difficult, since Adam changed nothing:
            the draws of the student are then not weighted either.
    """

    def __init__(self, inferer: RefinedInferer, label_stride: int = 2, refine: bool = True) -> None:
        self.inferer, self.label_stride, self.refine = inferer, label_stride, refine

    def __call__(
        self, network: ConvexRegistration, item: Mapping[str, torch.Tensor], generator: torch.Generator
    ) -> tuple[torch.Tensor, float]:
        """Label (3, *nodes), voxels, and difficulty, voxels, of an item with ``image`` (2, *spatial)."""
        device = next(network.parameters()).device
        image = torch.as_tensor(item["image"])[None].float().to(device)
        step = self.label_stride
        if not self.refine:
            return network(image)[0, :, ::step, ::step, ::step], 0.0
        before, after = self.inferer.solve(image, network, generator)
        difficulty = torch.linalg.vector_norm(after - before, dim=1).mean()
        return after[0, :, ::step, ::step, ::step], difficulty.item()


class NoLabeler:
    """Labels of zeros, for supervision by a metric or by structures, in the same frame."""

    def __init__(self, label_stride: int = 2) -> None:
        self.label_stride = label_stride

    def __call__(
        self, network: nn.Module, item: Mapping[str, torch.Tensor], generator: torch.Generator
    ) -> tuple[torch.Tensor, float]:
        """Zero field and difficulty."""
        step = self.label_stride
        return torch.zeros(3, *item["image"][0, ::step, ::step, ::step].shape), 0.0


def labeler(
    inferer: RefinedInferer,
    supervision: str = "pseudo_label",
    label_stride: int = 2,
    refine: bool = True,
) -> ImageLabeler | NoLabeler:
    """What makes the labels of a supervision: nothing for all but "pseudo_label"."""
    if supervision == "pseudo_label":
        return ImageLabeler(inferer, label_stride, refine)
    return NoLabeler(label_stride)
