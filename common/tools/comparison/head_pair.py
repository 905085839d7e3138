"""A head under a known warp, to be scored by the distance from the exact field and by its structures."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from monai.data import MetaTensor
from monai.transforms import Compose

from ...methods.mine_voxelmorph.known_warp import KnownWarpPairs
from ...methods.mine_voxelmorph.scores import ScoreAlignmentd
from ...methods.mine_voxelmorph.subjects import brain_subjects
from ...transforms.intensity import UnitIntensityd
from ...transforms.load import LoadVolumed
from ...world.grid import Grid
from ...world.resample import field_mm_to_ddf
from .image_pair import ImagePair

VAL_SUBJECTS = ("ms26", "lgg6692")  # of MultiContrastBrain; no shipped weights were trained on them
NUM_WARPS = 4  # per head
WARP_MM = 4.0  # mean length in the head; at most three times that
SEED = 0
SCORES = ("error_mm", "error_p95_mm", "dice", "folding_fraction", "sdlogj")


class HeadPair:
    """Two contrasts of a head on one grid, the moving one under a known warp.

    Args:
        item: of :class:`~common.methods.mine_voxelmorph.known_warp.KnownWarpPairs`.
    """

    def __init__(self, item: Mapping[str, Any]) -> None:
        grid = Grid.from_image(item["fixed"])
        self.item, self.images = item, ImagePair(item["fixed"], item["moving"], grid, grid)

    @classmethod
    def drawn(cls, pairs: Sequence[Mapping[str, Any]], index: int) -> "HeadPair":
        """One of several pairs, made now."""
        return cls(pairs[index])

    def scores(self, field_mm: MetaTensor) -> dict[str, float]:
        """Errors in mm inside the head, Dice where there are labels, and regularity.

        Args:
            field_mm: (3, X, Y, Z), RAS mm, on the grid of the images.

        Returns:
            ``SCORES`` as :class:`~common.methods.mine_voxelmorph.scores.ScoreAlignmentd` has them; Dice is the mean
            over structures, NaN without labels.
        """
        ddf = field_mm_to_ddf(field_mm.as_tensor(), self.images.grid)
        scores = ScoreAlignmentd()({**self.item, "pred": ddf})["scores"]
        return {name: scores[name] for name in SCORES}


def warped_heads(
    dataset_dir: str, contrasts: Sequence[str], part: str = "val", num_warps: int = NUM_WARPS
) -> dict[str, Callable[[], HeadPair]]:
    """Heads of a folder under seeded known warps, the first warp of every head first.

    Args:
        dataset_dir: folder in the multi-contrast layout, or of one labeled scan; cubic voxels of one size.
        contrasts: of fixed and moving image.
        part: val; or tune, the other heads of a multi-contrast folder under other warps.
        num_warps: per head.

    Returns:
        Name → function that makes the pair.

    Raises:
        ValueError: for other than two contrasts.

    Example:
        >>> list(warped_heads("", ("T1", "T1"), num_warps=2))
        ['sample04-0', 'sample04-1']
    """
    if isinstance(contrasts, str) or len(contrasts) != 2:
        raise ValueError(f"contrasts: expected those of fixed and moving image, such as T1,FLAIR, got {contrasts!r}")
    names = list(dict.fromkeys(contrasts))
    read = Compose([LoadVolumed([*names, "label"], allow_missing_keys=True), UnitIntensityd(names)])
    subjects = [read(subject) for subject in brain_subjects(dataset_dir, part, names, VAL_SUBJECTS)]
    spacing_mm = Grid.from_image(subjects[0][names[0]]).spacing[0]
    pairs = KnownWarpPairs(subjects, *contrasts, num_warps, WARP_MM, spacing_mm, SEED)
    return {
        f"{subject['subject']}-{draw}": partial(HeadPair.drawn, pairs, number * num_warps + draw)
        for draw in range(num_warps)
        for number, subject in enumerate(subjects)
    }
