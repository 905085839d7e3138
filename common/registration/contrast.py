"""Whether two images show one contrast, and which similarity follows from it."""

from dataclasses import asdict, dataclass

from monai.data import MetaTensor

from ..fields.smoothing import box_sum
from .greedy import AUTO, FEATURES, GreedyRefinement, refine_greedily
from .guidance import NO_GUIDANCE, Guidance
from .small_pair import SmallPair, on_small_grid

RADIUS = 2  # of a window, voxels of the small grid
LEAST_WINDOWS = 50  # fewer tell nothing
LEAST_AGREEMENT = 0.95  # of images of one contrast; chosen by scripts/studies/all/similarity_choice.py
ONE_CONTRAST = ("lncc", "mse")  # similarities that mean something for one contrast only
COARSE = GreedyRefinement(30, "mind", finest_iterations=10, fluid=2.5, elastic=0.8)  # follows small objects closely


@dataclass(frozen=True)
class Contrast:
    """What a pair shows, and the similarity that is taken.

    Args:
        similarity: "lncc", "mind" or another that the user named.
        chosen_by: "auto", "user", or "bundle" for its features.
        reason: a sentence.
        agreement: see :func:`agreement`; NaN where the images have too little in common.
    """

    similarity: str
    chosen_by: str
    reason: str
    agreement: float

    @property
    def is_one(self) -> bool:
        """Whether the images show one contrast."""
        return self.agreement >= LEAST_AGREEMENT

    @property
    def doubts(self) -> list[str]:
        """A sentence where the user's similarity is one of one contrast and the images show two."""
        if self.similarity not in ONE_CONTRAST or not self.agreement < LEAST_AGREEMENT:
            return []
        return [
            f"similarity {self.similarity}: expected images of one contrast, got an agreement of {self.agreement:.2f}"
        ]

    @property
    def facts(self) -> dict[str, str | float]:
        """For metrics.json."""
        return {**asdict(self), "is_one": self.is_one}


def contrast_of(
    fixed: MetaTensor, moving: MetaTensor, similarity: str = AUTO, guidance: Guidance = NO_GUIDANCE
) -> Contrast:
    """Decide whether two images show one contrast, for which local correlation is the similarity, else MIND-SSC.

    A small copy of the pair is registered by MIND-SSC, which fits any two contrasts, so that the alignment need not be
    good.

    Args:
        fixed: (1, X, Y, Z).
        moving: (1, X', Y', Z'), its world about that of ``fixed``.
        similarity: "auto", or that of the user or a bundle, which is taken.
        guidance: masks, the moving one in the world of ``moving``.

    Example:
        >>> import torch
        >>> x = torch.linspace(-3, 3, 24)
        >>> waves = torch.sin(2 * x[:, None, None]) + torch.sin(3 * x[:, None]) + torch.cos(2 * x) + 4
        >>> fixed, moving = (MetaTensor(image[None], affine=torch.eye(4)) for image in (waves, 9 - waves))
        >>> contrast_of(fixed, fixed).similarity, contrast_of(fixed, moving).similarity
        ('lncc', 'mind')
    """
    *small, masks = on_small_grid(fixed, moving, guidance)
    field_mm = refine_greedily(*small, None, COARSE, guidance=masks)
    value = agreement(SmallPair.read(*small, field_mm, masks))
    is_one = value >= LEAST_AGREEMENT
    if value != value:
        reason = "the images have too little in common to tell their contrasts"
    else:
        reason = (
            f"the images show {'one contrast' if is_one else 'two contrasts'}: agreement {value:.2f},"
            f" {'at least' if is_one else 'below'} {LEAST_AGREEMENT}"
        )
    if similarity != AUTO:
        return Contrast(similarity, "bundle" if similarity == FEATURES else "user", reason, value)
    return Contrast("lncc" if is_one else "mind", AUTO, reason, value)


def agreement(pair: SmallPair) -> float:
    """Sum of the local covariances over that of their sizes, Σ c / Σ |c|: 1 where both images always rise together.

    A covariance within 5³ voxels keeps its sign, in most windows, where the images lie some voxels apart. Windows
    that hold background of one of the images are left out: outlines rise together in any two contrasts.

    Args:
        pair: about aligned.

    Returns:
        From −1, a negative, to 1; NaN where fewer than 50 windows are left.

    Example:
        >>> import torch
        >>> image = torch.rand(1, 1, 16, 16, 16, generator=torch.Generator().manual_seed(0)).add(1).div(2)
        >>> round(agreement(SmallPair(None, image, image.square(), torch.ones_like(image) > 0)), 3)
        1.0
    """
    size = (2 * RADIUS + 1) ** 3
    is_whole = box_sum(pair.shared.float(), RADIUS) > size - 0.5
    mean_fixed, mean_moving = (box_sum(image, RADIUS) / size for image in (pair.fixed, pair.moving))
    covariance = (box_sum(pair.fixed * pair.moving, RADIUS) / size - mean_fixed * mean_moving)[is_whole].double()
    if len(covariance) < LEAST_WINDOWS:
        return float("nan")
    return (covariance.sum() / covariance.abs().sum().clamp(min=1e-12)).item()
