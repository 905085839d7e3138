"""Pairs of volumes for training and evaluation, from real hippocampi or from the sample population."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch.utils.data import Dataset

from ..randomness import sample_generator
from .layouts.decathlon import decathlon_subjects, decathlon_val_pairs
from .pairs import random_pairs
from .sample.population import sample_part

NUM_SAMPLE_SUBJECTS = {"fit": 6, "tune": 3, "val": 3}


def hippocampus_subjects(dataset_dir: str, part: str = "fit") -> list[dict]:
    """Subjects of one part, with image and label.

    Args:
        dataset_dir: folder in the Decathlon layout with ``splits.json``; empty for the sample population.
        part: fit, tune or val; no subject of the sample population is in two parts.

    Returns:
        {"subject", "image", "label"} each: files, or volumes of the sample population.

    Raises:
        ValueError: for an unknown part.

    Example:
        >>> [subject["subject"] for subject in hippocampus_subjects("", "tune")]
        ['sample06', 'sample07', 'sample08']
    """
    if dataset_dir:
        return decathlon_subjects(dataset_dir, part)
    chosen = sample_part(part, NUM_SAMPLE_SUBJECTS, contrasts=("T1",), region="hippocampus")
    return [{"subject": s["subject"], "image": s["T1"], "label": s["label"]} for s in chosen]


def hippocampus_pairs(dataset_dir: str, part: str = "tune", num_pairs: int = 50) -> list[dict]:
    """Fixed pairs to validate or score on.

    Args:
        dataset_dir: see :func:`hippocampus_subjects`.
        part: "val" takes the pairs of ``val_pairs.json`` where there is one; others are drawn once and for all.
        num_pairs: number of pairs; where fewer exist, all.

    Returns:
        Pairs, see :func:`~.pairs.pair_subjects`.
    """
    if part == "val" and dataset_dir and (Path(dataset_dir).expanduser() / "val_pairs.json").is_file():
        return decathlon_val_pairs(dataset_dir)[:num_pairs]
    subjects = hippocampus_subjects(dataset_dir, part)
    return random_pairs(subjects, min(num_pairs, len(subjects) * (len(subjects) - 1)))


class EpochDraws(Dataset):
    """Items drawn anew in every epoch; which ones follows from (seed, epoch, index), whatever the order of drawing.

    Args:
        data: data set to draw from; kept in memory by a CacheDataset.
        num_pairs: items per epoch.
        seed: of the draw.
    """

    def __init__(self, data: Sequence[dict] | Dataset, num_pairs: int, seed: int = 0) -> None:
        self.data, self.num_pairs, self.seed, self.epoch = data, num_pairs, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose pairs come next."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.num_pairs

    def drawn(self, index: int, count: int) -> list[torch.Tensor]:
        """``image`` of ``count`` different items."""
        generator = sample_generator(self.seed, self.epoch, index)
        chosen = torch.randperm(len(self.data), generator=generator)[:count].tolist()
        return [torch.as_tensor(self.data[number]["image"]) for number in chosen]


class RandomPairs(EpochDraws):
    """Ordered pairs of different subjects, drawn anew in every epoch.

    Args:
        subjects: data set of items with ``image`` (1, *spatial), all on one grid.
        num_pairs: items per epoch.
        seed: of the draw.

    Raises:
        ValueError: for fewer than two subjects.

    Example:
        >>> subjects = [{"image": torch.full((1, 2, 2, 2), float(number))} for number in range(3)]
        >>> pairs = RandomPairs(subjects, num_pairs=4)
        >>> pairs[0]["image"].shape
        torch.Size([2, 2, 2, 2])
    """

    def __init__(self, subjects: Sequence[dict] | Dataset, num_pairs: int, seed: int = 0) -> None:
        if len(subjects) < 2 or num_pairs < 1:
            raise ValueError(f"expected at least 2 subjects and 1 pair, got {len(subjects)} and {num_pairs}")
        super().__init__(subjects, num_pairs, seed)

    def __getitem__(self, index: int) -> dict:
        return {"image": torch.cat(self.drawn(index, 2))}


class DrawnPairs(EpochDraws):
    """Given pairs, each epoch another draw of them, with replacement: a small set makes epochs of any length.

    Args:
        pairs: data set of items with ``image`` (2, *spatial), fixed first.
        num_pairs: items per epoch.
        seed: of the draw.

    Raises:
        ValueError: without a pair.

    Example:
        >>> pairs = DrawnPairs([{"image": torch.zeros(2, 4, 4, 4)}], num_pairs=8)
        >>> len(pairs), pairs[7]["image"].shape
        (8, torch.Size([2, 4, 4, 4]))
    """

    def __init__(self, pairs: Sequence[dict] | Dataset, num_pairs: int, seed: int = 0) -> None:
        if min(len(pairs), num_pairs) < 1:
            raise ValueError(f"expected at least 1 pair and 1 item per epoch, got {len(pairs)} and {num_pairs}")
        super().__init__(pairs, num_pairs, seed)

    def __getitem__(self, index: int) -> dict:
        return {"image": self.drawn(index, 1)[0]}
