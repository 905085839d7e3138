"""Generated pairs as data sets of a training and of its validation."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch.utils.data import Dataset

from ...data.sample.any_pair import random_pair
from ...randomness import sample_generator

BORDER_VOXELS = 2  # within which of a border between labels a place can be told from its neighbors


class GeneratedPairs(Dataset):
    """Pairs of :func:`~common.data.sample.any_pair.random_pair`, made when they are asked for, others in every epoch.

    ``valid`` is 1 where both images show the place and a border of the anatomy is near.

    Args:
        data: numbers of the pairs of an epoch, each from 0 on.
        spatial_shape: (X, Y, Z).
        displacement: factor on the strength of the fields.
        seed: with epoch and number it determines every voxel.

    Example:
        >>> pairs = GeneratedPairs(range(2), (16, 16, 16))
        >>> {name: list(volume.shape) for name, volume in pairs[1].items() if name != "draw"}
        {'image': [2, 16, 16, 16], 'ddf': [3, 16, 16, 16], 'valid': [1, 16, 16, 16]}
    """

    def __init__(
        self, data: Sequence[int], spatial_shape: Sequence[int], displacement: float = 1.0, seed: int = 0
    ) -> None:
        self.data, self.spatial_shape, self.displacement = data, tuple(spatial_shape), displacement
        self.seed, self.epoch = seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose pairs come next."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        draw = self.epoch, int(self.data[index])
        pair = random_pair(self.spatial_shape, sample_generator(self.seed, *draw), self.displacement)
        return {
            "image": torch.cat([pair["fixed"], pair["moving"]]),
            "ddf": pair["ddf"],
            "valid": pair["valid"] * near_border(pair["fixed_label"], BORDER_VOXELS),
            "draw": torch.tensor(draw),
        }


def near_border(label: torch.Tensor, radius: int) -> torch.Tensor:
    """1 where a window of 2 radius + 1 voxels along each axis holds several labels, else 0, (1, X, Y, Z).

    Example:
        >>> near_border(torch.tensor([5.0, 5.0, 5.0, 7.0]).view(1, 4, 1, 1), 1).flatten().tolist()
        [0.0, 0.0, 1.0, 1.0]
    """
    highest, lowest = (sign * F.max_pool3d(sign * label[None], 2 * radius + 1, 1, radius)[0] for sign in (1, -1))
    return (highest > lowest).float()
