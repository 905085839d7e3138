"""A fixed list of image pairs to train on, and the subjects and pairs it is made from."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch.utils.data import Dataset

from ...data.layouts.learn2reg import find_dataset_json, learn2reg_pairs, learn2reg_subjects
from ...data.pairs import drawn_pairs, named, random_pairs
from ...data.splits import split_subjects
from ...data.subjects import hippocampus_pairs, hippocampus_subjects
from ...files import read_dataset_json
from ..self_training.draws import PseudoLabeledPairs

TUNE_FRACTION = 0.2  # of Learn2Reg's scans to train on, held out of the training


def is_learn2reg(dataset_dir: str) -> bool:
    """Whether a folder is in Learn2Reg's layout: its dataset JSON lists ``registration_val``."""
    if not dataset_dir:
        return False
    path = find_dataset_json(dataset_dir)
    return path.is_file() and "registration_val" in read_dataset_json(path)


def fit_images(dataset_dir: str, with_labels: bool = False, all_scans: bool = False) -> list[dict]:
    """Subjects to train on: of Learn2Reg, or of :func:`~common.data.subjects.hippocampus_subjects`.

    Args:
        dataset_dir: see there; empty for the sample population.
        with_labels: whether they have ``label`` too; the supervised baseline needs it, nothing else may see it.
        all_scans: of Learn2Reg, see :func:`learn2reg_part`.

    Raises:
        ValueError: where a subject should have a label and has none.

    Example:
        >>> len(fit_images("")), sorted(fit_images("")[0])
        (6, ['image', 'subject'])
    """
    learn2reg = is_learn2reg(dataset_dir)
    parts = learn2reg_part(dataset_dir, "fit", all_scans) if learn2reg else hippocampus_subjects(dataset_dir, "fit")
    return trained_on(parts, with_labels, dataset_dir)


def trained_on(subjects: Sequence[Mapping[str, Any]], with_labels: bool, origin: str = "data") -> list[dict]:
    """What a training may see of its subjects: ``label`` for the supervised baseline alone.

    Args:
        subjects: with ``image``, and with ``label`` where known.
        with_labels: whether to keep the label.
        origin: of the subjects, for the message.

    Raises:
        ValueError: where a subject should have a label and has none.

    Example:
        >>> trained_on([{"image": "a.nii", "label": "b.nii"}], with_labels=False)
        [{'subject': 'a.nii', 'image': 'a.nii'}]
    """
    keys = ("subject", "image", "label") if with_labels else ("subject", "image")
    bare = [subject["subject"] for subject in named(subjects) if with_labels and "label" not in subject]
    if bare:
        raise ValueError(
            f"{origin}: the supervised baseline needs a label of every subject to train on, {bare[0]} has none"
        )
    return [{key: subject[key] for key in keys} for subject in named(subjects)]


def scored_pairs(dataset_dir: str, part: str = "tune", num_pairs: int = 50) -> list[dict]:
    """Pairs to score: of Learn2Reg, or of :func:`~common.data.subjects.hippocampus_pairs`.

    Of Learn2Reg "val" are the pairs of ``registration_val``, others are drawn from :func:`learn2reg_part`.
    """
    if not is_learn2reg(dataset_dir):
        return hippocampus_pairs(dataset_dir, part, num_pairs)
    if part == "val":
        return learn2reg_pairs(dataset_dir)[:num_pairs]
    subjects = learn2reg_part(dataset_dir, part)
    return random_pairs(subjects, min(num_pairs, len(subjects) * (len(subjects) - 1)))


def learn2reg_part(dataset_dir: str, part: str, all_scans: bool = False) -> list[dict]:
    """Subjects under ``training`` that no pair of ``registration_val`` holds, divided at random once and for all.

    Args:
        dataset_dir: folder in Learn2Reg's layout.
        part: fit, or tune, a fifth of them and at least two.
        all_scans: whether fit holds all of them, those of tune too, as the paper trains on all 20 and chose its
            settings on three of them.

    Returns:
        Subjects, see :func:`~common.data.layouts.learn2reg.learn2reg_subjects`.

    Raises:
        ValueError: for another part, or fewer than four such subjects.
    """
    if part not in ("fit", "tune"):
        raise ValueError(f"val_part: expected fit, tune or val with a Learn2Reg data set, got {part!r}")
    scored = {pair[side] for pair in learn2reg_pairs(dataset_dir) for side in ("fixed", "moving")}
    subjects = [subject for subject in learn2reg_subjects(dataset_dir) if subject["image"] not in scored]
    num_tune = max(2, round(TUNE_FRACTION * len(subjects)))
    if len(subjects) < num_tune + 2:
        raise ValueError(
            f"{find_dataset_json(dataset_dir)}: expected at least 4 images under training that no pair of "
            f"registration_val holds, 2 to train on and 2 to tune on, got {len(subjects)}"
        )
    if all_scans and part == "fit":
        return subjects
    return split_subjects(subjects, {"fit": len(subjects) - num_tune, "tune": num_tune})[part]


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

    A pair is ``image`` (2, *spatial), fixed first, and, where its subjects have labels, ``structures`` of that shape.

    Args:
        subjects: data set of items with ``image`` (1, *spatial), all on one grid, and, for the supervised baseline,
            ``label`` of that shape; kept in memory by a CacheDataset.
        num_pairs: see :func:`chosen_pairs`.
        seed: of the choice.

    Raises:
        ValueError: when an item is read, for images or labels of different shapes.

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
        items = [self.subjects[number] for number in self.pairs[index]]
        pair = {"image": _stacked(index, "images", items, "image")}
        if any("label" in item for item in items):
            pair["structures"] = _stacked(index, "labels", items, "label")
            if pair["structures"].shape != pair["image"].shape:
                shapes = [list(pair[key].shape) for key in ("image", "structures")]
                raise ValueError(f"pair {index}: expected labels shaped as their images, {shapes[0]}, got {shapes[1]}")
        return pair


def pseudo_labeled_pairs(
    data: Sequence[Mapping[str, Any]],
    transform: Callable,
    num_draws: int,
    augment: Callable,
    with_labels: bool = False,
    num_pairs: int = 0,
    seed: int = 0,
) -> PseudoLabeledPairs:
    """Random draws of the fixed pairs of some subjects.

    Args:
        data: subjects, see :func:`trained_on`; another list here trains on other images.
        transform: of the bundle's images, a ``Compose``.
        num_draws: items per epoch.
        augment: see :class:`~common.methods.self_training.draws.PseudoLabeledPairs`.
        with_labels: see :func:`trained_on`.
        num_pairs: see :func:`chosen_pairs`.
        seed: of pairs and draws.

    Returns:
        The draws; their ``data`` are the pairs.
    """

    def draw(subjects: Dataset) -> PseudoLabeledPairs:
        return PseudoLabeledPairs(FixedPairs(subjects, num_pairs, seed), num_draws, augment, seed)

    return drawn_pairs(trained_on(data, with_labels), transform, draw)


def _stacked(index: int, what: str, items: Sequence[dict], key: str) -> torch.Tensor:
    """Volumes (1, *spatial) of both items: (2, *spatial)."""
    fixed, moving = (torch.as_tensor(item[key]) for item in items)
    if fixed.shape != moving.shape:
        raise ValueError(f"pair {index}: expected {what} of one shape, got {list(fixed.shape)}, {list(moving.shape)}")
    return torch.cat([fixed, moving]).as_subclass(torch.Tensor)
