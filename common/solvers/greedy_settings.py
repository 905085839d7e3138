"""Settings of the greedy solver."""

from dataclasses import dataclass

from ..words import one_of

SIMILARITIES = ("lncc", "mse", "mind", "features")


@dataclass(frozen=True)
class Greedy:
    """Settings of :func:`~.greedy.greedy_field`; lengths in voxels.

    Args:
        similarity: "lncc", local correlation; "mse"; "mind", which compares MIND-SSC descriptors across contrasts; or
            "features", which compares what a network makes of both images.
        radius: of the window of the correlation, 2r + 1 voxels along each axis.
        fluid: σ of the Gaussian on every update.
        elastic: σ of the Gaussian on the whole field after it.
        step: no vector of an update is longer; shortened where the similarity falls.
        patience: iterations within which the similarity must rise by ``tolerance``, else the level ends.
        tolerance: of the mean squared correlation or difference.

    Raises:
        ValueError: for an unknown similarity or a number out of range.
    """

    similarity: str = "lncc"
    radius: int = 2
    fluid: float = 2.2
    elastic: float = 0.7
    step: float = 0.5
    patience: int = 10
    tolerance: float = 3e-4

    def __post_init__(self) -> None:
        one_of("similarity", self.similarity, SIMILARITIES)
        if min(self.radius, self.patience) < 1 or min(self.fluid, self.elastic, self.tolerance) < 0 or self.step <= 0:
            raise ValueError(
                "greedy: expected radius and patience ≥ 1, fluid, elastic and tolerance ≥ 0 and step > 0, got"
                f" {self.radius}, {self.patience}, {self.fluid}, {self.elastic}, {self.tolerance} and {self.step}"
            )
