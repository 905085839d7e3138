"""Pairs of volumes for training and evaluation, from real hippocampi or from the sample population."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch.utils.data import Dataset

from .decathlon import decathlon_subjects, decathlon_val_pairs
from .inference_pairs import inference_pairs
from .pairs import random_pairs
from .randomness import sample_generator
from .sample_folder import write_sample_population
from .sample_population import sample_subjects

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
    if part not in NUM_SAMPLE_SUBJECTS:
        raise ValueError(f"expected a part of {', '.join(NUM_SAMPLE_SUBJECTS)}, got {part!r}")
    subjects = sample_subjects(sum(NUM_SAMPLE_SUBJECTS.values()), contrasts=("T1",), region="hippocampus")
    first = 0
    for name, count in NUM_SAMPLE_SUBJECTS.items():
        if name == part:
            break
        first += count
    chosen = subjects[first : first + NUM_SAMPLE_SUBJECTS[part]]
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


class RandomPairs(Dataset):
    """Ordered pairs of different subjects, drawn anew in every epoch.

    The pair of an item follows from (seed, epoch, index), whatever the order of drawing.

    Args:
        subjects: data set of items with ``image`` (1, *spatial), all on one grid; kept in memory by a CacheDataset.
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
        self.data, self.num_pairs, self.seed, self.epoch = subjects, num_pairs, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose pairs come next."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.num_pairs

    def __getitem__(self, index: int) -> dict:
        generator = sample_generator(self.seed, self.epoch, index)
        chosen = torch.randperm(len(self.data), generator=generator)[:2].tolist()
        fixed, moving = (torch.as_tensor(self.data[number]["image"]) for number in chosen)
        return {"image": torch.cat([fixed, moving])}


def region_inference_pairs(
    fixed: str = "", moving: str = "", dataset_dir: str = "", output_dir: str = "."
) -> list[dict]:
    """Pairs to register, as :func:`~.inference_pairs.inference_pairs`; the sample pair is one of hippocampus regions.

    Args:
        fixed: NIfTI file that stays in place; needs ``moving``.
        moving: NIfTI file that is brought onto it.
        dataset_dir: JSON list of pairs; not together with ``fixed``.
        output_dir: where a sample pair is written when nothing else is given.

    Returns:
        Dictionaries with ``fixed``, ``moving`` and what else a list gives.
    """
    if not (fixed or moving or dataset_dir):
        folder = Path(output_dir) / "sample"
        if not folder.exists():
            write_sample_population(folder, num_subjects=2, contrasts=("T1",), region="hippocampus")
        fixed, moving = (str(folder / name / "T1.nii.gz") for name in ("sample00", "sample01"))
    return inference_pairs(fixed, moving, dataset_dir, output_dir)
