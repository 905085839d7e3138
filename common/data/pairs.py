"""Pairs of subjects: dictionaries with fixed and moving images and, where known, their labels."""

from collections.abc import Sequence
from typing import Any

import torch


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
