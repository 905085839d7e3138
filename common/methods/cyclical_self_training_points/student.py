"""What the self-training engine needs to know of keypoints: labels, samples of the student, and its loss."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from .chamfer import chamfer_distance, laplacian_difference, smoothness
from .inferer import KeypointPasses
from .motion import random_field_motion, random_similarity, rigid_motion, transform_pair
from .network import KeypointRegistration
from .spline import ThinPlateSpline

STRATEGIES = ("self_training", "landmarks", "chamfer", "synthetic_rigid", "synthetic_field")


@contextmanager
def settings(network: KeypointRegistration, **values: float) -> Iterator[None]:
    """The network with other attributes, such as ``unary_scale`` or ``num_rounds``, while the context lasts."""
    before = {name: getattr(network, name) for name in values}
    for name, value in values.items():
        setattr(network, name, type(before[name])(value))
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(network, name, value)


class KeypointLabeler:
    """Labels a pair; ``labeler`` of :class:`~common.methods.self_training.stages.SelfTrainingStages`.

    Self-training: all passes of :class:`~.inferer.KeypointPasses`, then a smoothing spline;
    difficult is a pair whose last pass still moves its points far: mean ‖u_first − u_last‖. Landmarks: the spline
    through the landmarks' displacements. Other strategies need no label.

    Args:
        passes: the refined registration.
        scale: unary scale of the labels; that of the network where negative.
        smoothing: λ of the spline, in the unit of the points.
        strategy: one of ``STRATEGIES``.

    Raises:
        ValueError: for an unknown strategy; when called, for a pair without the landmarks it needs.
    """

    def __init__(
        self, passes: KeypointPasses, scale: float = -1.0, smoothing: float = 1.0, strategy: str = "self_training"
    ) -> None:
        if strategy not in STRATEGIES:
            raise ValueError(f"expected a strategy of {', '.join(STRATEGIES)}, got {strategy!r}")
        self.passes, self.scale, self.smoothing, self.strategy = passes, scale, smoothing, strategy

    @torch.no_grad()
    def __call__(
        self, network: KeypointRegistration, pair: dict, generator: torch.Generator
    ) -> tuple[torch.Tensor, float]:
        """Displacements (N, 3) of the aligned points, and the difficulty of the pair."""
        points = pair["aligned_points"]
        if self.strategy == "landmarks":
            return landmark_displacements(pair), 0.0
        if self.strategy != "self_training":
            return torch.zeros_like(points), 0.0
        image = pair["image"][None].to(next(network.parameters()).device)
        with settings(network, unary_scale=network.unary_scale if self.scale < 0 else self.scale):
            results = self.passes.passes(image, network)
        first, last = (result[0, :, : len(points)].T.cpu() for result in (results[0], results[-1]))
        return ThinPlateSpline(points, last, self.smoothing)(points), float((first - last).norm(dim=1).mean())


def landmark_displacements(pair: dict) -> torch.Tensor:
    """Displacements (N, 3) of the aligned points by the spline through the landmarks."""
    if "fixed_landmarks" not in pair:
        raise ValueError(f"{pair.get('name')}: expected landmarks for the strategy 'landmarks', got none")
    spline = ThinPlateSpline(pair["fixed_landmarks"], pair["moving_landmarks"] - pair["fixed_landmarks"])
    return pair["fixed_points"] + spline(pair["fixed_points"]) - pair["aligned_points"]


class KeypointAugmentation:
    """Draws what the student sees of a pair: random parts of both clouds under one random similarity.

    Args:
        num_fixed: points of the fixed cloud, all where there are fewer.
        num_moving: points of the moving cloud.
        num_chosen: fixed points that exchange messages and are scored.
        rotation_degrees: see :func:`~common.methods.cyclical_self_training_points.motion.random_similarity`.
        scale: bound.
        translation: bound.
        strategy: "synthetic_rigid" and "synthetic_field" move a part of the moving cloud by a known motion and take
            it for the fixed one.
    """

    def __init__(
        self,
        num_fixed: int = 1024,
        num_moving: int = 2048,
        num_chosen: int = 384,
        rotation_degrees: float = 10.0,
        scale: float = 0.1,
        translation: float = 0.1,
        strategy: str = "self_training",
    ) -> None:
        self.counts = num_fixed, num_moving, num_chosen
        self.bounds = rotation_degrees, scale, translation
        self.strategy = strategy

    def __call__(self, pair: dict, label: torch.Tensor, generator: torch.Generator) -> dict[str, torch.Tensor]:
        """``fixed`` (N, 3), ``moving`` (M, 3), ``label`` (N, 3), ``chosen`` (n,)."""
        num_fixed, num_moving, num_chosen = self.counts
        fixed, moving = pair["aligned_points"], pair["moving_points"]
        if self.strategy.startswith("synthetic"):
            fixed = moving[torch.randperm(len(moving), generator=generator)[: len(fixed)]]
            motion = rigid_motion if self.strategy == "synthetic_rigid" else random_field_motion
            label = -motion(fixed, generator)
            fixed = fixed - label
        part = torch.randperm(len(fixed), generator=generator)[:num_fixed]
        moving = moving[torch.randperm(len(moving), generator=generator)[:num_moving]]
        matrix, shift = random_similarity(generator, *self.bounds)
        fixed, moving, label = transform_pair(fixed[part], moving, label[part], matrix, shift)
        return {"fixed": fixed, "moving": moving, "label": label, "chosen": torch.arange(len(fixed))[:num_chosen]}


class KeypointLoss:
    """Loss of one sample, ``student_loss`` of :class:`~common.methods.self_training.stages.SelfTrainingStep`.

    Mean Euclidean distance between displacement and label (equation 2 of the paper); for the strategy "chamfer" that of
    PointPWC-Net, the Chamfer distance both ways plus weighted smoothness and Laplacian, see :mod:`.chamfer`.

    Args:
        strategy: one of ``STRATEGIES``.
        smoothness_weight: beside a Chamfer weight of 1; PointPWC-Net: 1.
        laplacian_weight: PointPWC-Net: 0.3.
        scale: unary scale of the student.
        num_rounds: of belief propagation in the student. Fewer let more of the gradient reach the features, and are
            as many times faster.
    """

    def __init__(
        self,
        strategy: str = "self_training",
        smoothness_weight: float = 1.0,
        laplacian_weight: float = 0.3,
        scale: float = 1.0,
        num_rounds: int = 5,
    ) -> None:
        self.strategy, self.weights = strategy, (smoothness_weight, laplacian_weight)
        self.scale, self.num_rounds = scale, num_rounds

    def __call__(self, network: KeypointRegistration, sample: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Scalars, in the unit of the points (squared for "chamfer"); ``loss`` is what is minimized."""
        device = next(network.parameters()).device
        fixed, moving, label, chosen = (sample[key].to(device) for key in ("fixed", "moving", "label", "chosen"))
        with settings(network, unary_scale=self.scale, num_rounds=self.num_rounds):
            displacements = network.register(fixed, moving, chosen)
        if self.strategy == "chamfer":
            return self._without_labels(fixed[chosen], displacements, moving)
        return {"loss": (displacements - label[chosen]).norm(dim=1).mean()}

    def _without_labels(
        self, points: torch.Tensor, displacements: torch.Tensor, moving: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        moving = moving[: len(points)]  # drawn at random; a denser cloud would lie nearer and have other Laplacians
        terms = {
            "chamfer": chamfer_distance(points + displacements, moving),
            "smoothness": smoothness(points, displacements),
            "laplacian": laplacian_difference(points, displacements, moving),
        }
        of_smoothness, of_laplacian = self.weights
        loss = terms["chamfer"] + of_smoothness * terms["smoothness"] + of_laplacian * terms["laplacian"]
        return {"loss": loss, **terms}
