"""Pairs of subjects: dictionaries with fixed and moving images and, where known, their labels."""

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from monai.data import CacheDataset
from torch.utils.data import Dataset


def pair_subjects(
    fixed: dict[str, Any], moving: dict[str, Any], fixed_image: str = "image", moving_image: str = "image"
) -> dict[str, Any]:
    """One pair of two subjects.

    Args:
        fixed: a subject with the key ``subject``, an image and possibly ``label``.
        moving: another one, or the same with another image.
        fixed_image: key of the fixed image, such as ``image`` or ``T1``.
        moving_image: key of the moving image.

    Returns:
        ``fixed``, ``moving``, ``fixed_subject``, ``moving_subject``, and ``fixed_label``, ``moving_label``
        where the subjects have a label.

    Raises:
        ValueError: a subject lacks the image.

    Example:
        >>> pair_subjects({"subject": "a", "image": "a.nii"}, {"subject": "b", "image": "b.nii"})["moving"]
        'b.nii'
    """
    pair = {}
    for side, subject, key in (("fixed", fixed, fixed_image), ("moving", moving, moving_image)):
        if key not in subject:
            found = ", ".join(name for name in subject if name != "subject")
            raise ValueError(f"subject {subject['subject']} has no {key}, it has {found}")
        pair[side] = subject[key]
        pair[f"{side}_subject"] = subject["subject"]
        if "label" in subject:
            pair[f"{side}_label"] = subject["label"]
    return pair


def random_pairs(
    subjects: Sequence[dict],
    num_pairs: int,
    seed: int = 0,
    fixed_image: str = "image",
    moving_image: str = "image",
) -> list[dict[str, Any]]:
    """Different ordered pairs of different subjects, drawn at random.

    The draw depends on the set of subject names and the seed, not on the order of the subjects.

    Args:
        subjects: n dictionaries with the key ``subject`` and an image.
        num_pairs: at most n (n − 1).
        seed: of the draw.
        fixed_image: key of the fixed image.
        moving_image: key of the moving image.

    Returns:
        The pairs, see ``pair_subjects``.

    Raises:
        ValueError: more pairs asked for than there are.

    Example:
        >>> subjects = [{"subject": name, "image": f"{name}.nii"} for name in "abc"]
        >>> len(random_pairs(subjects, 6))
        6
    """
    subjects = sorted(subjects, key=_name)
    most = len(subjects) * (len(subjects) - 1)
    if not 0 < num_pairs <= most:
        raise ValueError(f"num_pairs: expected 1 to {most} for {len(subjects)} subjects, got {num_pairs}")
    numbers = torch.randperm(most, generator=torch.Generator().manual_seed(seed))[:num_pairs]
    pairs = []
    for number in numbers.tolist():
        fixed, moving = divmod(number, len(subjects) - 1)
        moving += moving >= fixed
        pairs.append(pair_subjects(subjects[fixed], subjects[moving], fixed_image, moving_image))
    return pairs


def _name(subject: dict) -> str:
    return subject["subject"]


def subject_name(item: Mapping[str, Any]) -> str:
    """Name of a subject or of a pair of one patient: its entry ``subject`` or ``name``, else the file of its image.

    Raises:
        ValueError: where it has none of the three.

    Example:
        >>> subject_name({"subject": "ms07", "T1": "T1.nii.gz"}), subject_name({"image": "scan.nii.gz"})
        ('ms07', 'scan.nii.gz')
    """
    for key in ("subject", "name", "image"):
        if isinstance(item.get(key), str | Path):
            return str(item[key])
    raise ValueError(f"expected a subject with a name or the file of an image, got one with {', '.join(item)}")


def named(subjects: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Subjects that have the entry ``subject``, see :func:`subject_name`.

    Example:
        >>> named([{"image": "scan.nii.gz"}])
        [{'subject': 'scan.nii.gz', 'image': 'scan.nii.gz'}]
    """
    return [{"subject": subject_name(subject), **subject} for subject in subjects]


def drawn_pairs(
    data: Sequence[Mapping[str, Any]],
    transform: Callable,
    draw: Callable[[Dataset], Dataset],
    cache_num: int = sys.maxsize,
) -> Dataset:
    """A data set that draws its pairs from subjects, which are read and transformed once.

    Args:
        data: subjects, dictionaries of files or volumes; another list here trains on other images.
        transform: of the bundle's images, a ``Compose``.
        draw: from the data set of prepared subjects to the data set of pairs, such as
            :class:`~.subjects.RandomPairs` with its other arguments.
        cache_num: how many subjects to keep in memory.

    Returns:
        What ``draw`` makes.
    """
    return draw(CacheDataset(data, transform, cache_num=cache_num, progress=False))


def scored_pairs(data: Sequence[Mapping[str, Any]], transform: Callable, num_pairs: int) -> CacheDataset:
    """The fixed pairs of a validation, read and transformed once.

    Args:
        data: pairs with ``fixed`` and ``moving``, or subjects, of which pairs are drawn once and for all.
        transform: of the bundle's pairs, a ``Compose``.
        num_pairs: pairs that are drawn of subjects; where fewer exist, all. Given pairs are all taken.

    Raises:
        ValueError: for fewer than two subjects.
    """
    if not all("fixed" in item for item in data):
        if len(data) < 2:
            raise ValueError(f"expected pairs or at least two subjects to validate on, got {len(data)}")
        data = random_pairs(named(data), min(num_pairs, len(data) * (len(data) - 1)))
    return CacheDataset(data, transform, progress=False)
