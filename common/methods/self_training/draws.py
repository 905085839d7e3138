"""Random draws of pseudo-labeled pairs, easy ones more often."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.utils.data import Dataset

from ...randomness import sample_generator


def as_list(samples: list[Any]) -> list[Any]:
    """Collate function of a DataLoader that leaves the samples of a batch apart."""
    return samples


class PseudoLabeledPairs(Dataset):
    """Draws a pair by weight, with replacement, and hands it to the student together with its pseudo label.

    Pair and augmentation of item i follow from (seed, epoch, i), whatever the order of drawing; so a training
    continues exactly within a stage, and several processes together see what one sees.

    Args:
        pairs: data set of the pairs, dictionaries of tensors, not augmented.
        num_draws: items per epoch, ≥ 1.
        augment: called with item, label and generator; gives what the student sees. None adds the label as ``label``.
        seed: of the draws.

    Raises:
        ValueError: for no draws or no pairs.

    Example:
        >>> draws = PseudoLabeledPairs([{"image": torch.zeros(1)}, {"image": torch.ones(1)}], num_draws=3)
        >>> draws.set_stage(lambda pair: torch.full((2,), float(pair)), torch.tensor([0.0, 1.0]))
        >>> draws[0]["image"].item(), draws[0]["label"].tolist()
        (1.0, [1.0, 1.0])
    """

    def __init__(
        self, pairs: Sequence[dict] | Dataset, num_draws: int, augment: Callable | None = None, seed: int = 0
    ) -> None:
        if num_draws < 1 or len(pairs) < 1:
            raise ValueError(f"expected at least one draw and one pair, got {num_draws} and {len(pairs)}")
        self.data, self.num_draws, self.augment, self.seed, self.epoch = pairs, num_draws, augment, seed, 0
        self.read_label: Callable[[int], torch.Tensor] | None = None
        self.weights = torch.ones(len(pairs), dtype=torch.float64)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose draws come next."""
        self.epoch = epoch

    def set_stage(self, read_label: Callable[[int], torch.Tensor], weights: torch.Tensor) -> None:
        """Take the labels of a new stage.

        Args:
            read_label: number of a pair → its label.
            weights: (number of pairs,), ≥ 0, of which the draws are made.

        Raises:
            ValueError: where there are not as many weights as pairs.
        """
        if weights.shape != (len(self.data),):
            raise ValueError(f"expected {len(self.data)} weights, one per pair, got {list(weights.shape)}")
        self.read_label, self.weights = read_label, weights

    def drawn_pair(self, index: int) -> int:
        """Number of the pair that item ``index`` of this epoch is."""
        generator = sample_generator(self.seed, self.epoch, index)
        return int(torch.multinomial(self.weights, 1, generator=generator))

    def __len__(self) -> int:
        return self.num_draws

    def __getitem__(self, index: int) -> dict:
        if self.read_label is None:
            raise ValueError(
                "expected pseudo labels of a stage, got none: SelfTrainingStages comes first in the handlers"
            )
        generator = sample_generator(self.seed, self.epoch, index)
        pair = int(torch.multinomial(self.weights, 1, generator=generator))
        item, label = self.data[pair], self.read_label(pair)
        return {**item, "label": label} if self.augment is None else self.augment(item, label, generator)
