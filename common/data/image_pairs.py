"""A fixed list of image pairs to train on, and the subjects and pairs it is made from."""

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from torch.utils.data import Dataset

from .learn2reg import learn2reg_pairs, learn2reg_subjects
from .registration_pairs import hippocampus_pairs, hippocampus_subjects


def is_learn2reg(dataset_dir: str) -> bool:
    """Whether a folder is in Learn2Reg's layout: its dataset.json lists ``registration_val``."""
    path = Path(dataset_dir).expanduser() / "dataset.json"
    return bool(dataset_dir) and path.is_file() and "registration_val" in json.loads(path.read_text())


def fit_images(dataset_dir: str) -> list[dict]:
    """Subjects to train on, without labels: of Learn2Reg, or of :func:`~.registration_pairs.hippocampus_subjects`.

    Example:
        >>> len(fit_images(""))
        6
    """
    found = learn2reg_subjects(dataset_dir) if is_learn2reg(dataset_dir) else hippocampus_subjects(dataset_dir, "fit")
    return [{key: subject[key] for key in ("subject", "image")} for subject in found]


def scored_pairs(dataset_dir: str, part: str = "tune", num_pairs: int = 50) -> list[dict]:
    """Pairs to score: of Learn2Reg's ``registration_val``, or of :func:`~.registration_pairs.hippocampus_pairs`."""
    if is_learn2reg(dataset_dir):
        return learn2reg_pairs(dataset_dir)[:num_pairs]
    return hippocampus_pairs(dataset_dir, part, num_pairs)


def chosen_pairs(num_subjects: int, num_pairs: int = 0, seed: int = 0) -> list[tuple[int, int]]:
    """Numbers (fixed, moving) of the pairs of a training.

    Args:
        num_subjects: n, ≥ 2.
        num_pairs: 0 takes all pairs i < j, as the paper does with its 20 scans. Else the subjects are put in a circle
            at random and each is paired with the next, then with the next but one, …, so that all occur alike.
        seed: of the circle.

    Returns:
        Different ordered pairs.

    Raises:
        ValueError: for fewer than two subjects or more pairs than n (n − 1).

    Example:
        >>> len(chosen_pairs(20)), len(set(chosen_pairs(5, 20)))
        (190, 20)
    """
    if num_subjects < 2 or not 0 <= num_pairs <= num_subjects * (num_subjects - 1):
        raise ValueError(
            f"num_pairs: expected 0 to {num_subjects * (num_subjects - 1)} for {num_subjects} subjects, got {num_pairs}"
        )
    if num_pairs == 0:
        return [(i, j) for i in range(num_subjects) for j in range(i + 1, num_subjects)]
    circle = torch.randperm(num_subjects, generator=torch.Generator().manual_seed(seed)).tolist()
    steps = range(1, num_subjects)
    pairs = [(circle[k], circle[(k + step) % num_subjects]) for step in steps for k in range(num_subjects)]
    return pairs[:num_pairs]


class FixedPairs(Dataset):
    """Pairs that stay the same throughout a training, so that each can keep a pseudo label.

    Args:
        subjects: data set of items with ``image`` (1, *spatial), all on one grid; kept in memory by a CacheDataset.
        num_pairs: see :func:`chosen_pairs`.
        seed: of the choice.

    Example:
        >>> subjects = [{"image": torch.full((1, 2, 2, 2), float(number))} for number in range(3)]
        >>> FixedPairs(subjects)[2]["image"][:, 0, 0, 0].tolist()
        [1.0, 2.0]
    """

    def __init__(self, subjects: Sequence[dict] | Dataset, num_pairs: int = 0, seed: int = 0) -> None:
        self.subjects = subjects
        self.pairs = chosen_pairs(len(subjects), num_pairs, seed)

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> dict:
        fixed, moving = (torch.as_tensor(self.subjects[number]["image"]) for number in self.pairs[index])
        if fixed.shape != moving.shape:
            raise ValueError(
                f"pair {index}: expected images of one shape, got {list(fixed.shape)}, {list(moving.shape)}"
            )
        return {"image": torch.cat([fixed, moving]).as_subclass(torch.Tensor)}
