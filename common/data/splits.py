"""Seeded splits in which no subject stands on two sides."""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence

import torch

from .pairs import subject_name


def split_subjects(items: Sequence[dict], sizes: Mapping[str, float], seed: int = 0) -> dict[str, list[dict]]:
    """Distributes items to named parts at random, all items of one subject to the same part.

    The draw depends on the set of subject names and the seed, not on the order of the items.

    Args:
        items: dictionaries with the key ``subject``.
        sizes: part → number of subjects (all int), or part → fraction of the subjects in (0, 1] (all float).
            Subjects beyond the sum of the sizes are left out.
        seed: of the draw.

    Returns:
        Part → its items in their given order.

    Raises:
        ValueError: sizes that exceed the subjects, that mix counts and fractions, or that leave a part empty.

    Example:
        >>> items = [{"subject": name} for name in "abcde"]
        >>> {part: len(chosen) for part, chosen in split_subjects(items, {"fit": 4, "val": 1}).items()}
        {'fit': 4, 'val': 1}
    """
    names = _shuffled_names(items, seed)
    counts = _counts(sizes, len(names))
    ends = torch.tensor([0, *counts.values()]).cumsum(0).tolist()
    return {
        part: select_subjects(items, names[start:end]) for part, start, end in zip(counts, ends, ends[1:], strict=False)
    }


def fold_subjects(items: Sequence[dict], num_folds: int, fold: int, seed: int = 0) -> dict[str, list[dict]]:
    """One split of a k-fold cross-validation: the subjects of ``fold`` are ``val``, the others ``fit``.

    Args:
        items: dictionaries with the key ``subject``.
        num_folds: number of folds, from 2 to the number of subjects; their sizes differ by at most one.
        fold: which one, from 0 to ``num_folds - 1``.
        seed: of the shuffle before folding.

    Returns:
        ``{"fit": items, "val": items}``.

    Raises:
        ValueError: ``num_folds`` or ``fold`` out of range.

    Example:
        >>> items = [{"subject": name} for name in "abcde"]
        >>> [len(fold_subjects(items, 5, fold)["val"]) for fold in range(5)]
        [1, 1, 1, 1, 1]
    """
    names = _shuffled_names(items, seed)
    if not 2 <= num_folds <= len(names):
        raise ValueError(f"num_folds: expected 2 to {len(names)} (the number of subjects), got {num_folds}")
    if not 0 <= fold < num_folds:
        raise ValueError(f"fold: expected 0 to {num_folds - 1} for {num_folds} folds, got {fold}")
    held_out = names[fold::num_folds]
    kept = [name for name in names if name not in held_out]
    return {"fit": select_subjects(items, kept), "val": select_subjects(items, held_out)}


def held_out_split(
    items: Sequence[dict], val_subjects: Sequence[str] = (), val_fraction: float = 0.2, seed: int = 0
) -> dict[str, list[dict]]:
    """Split into ``fit`` and ``val``: the named subjects are held out, or a random share where none is named.

    Args:
        items: dictionaries with the key ``subject``.
        val_subjects: subjects to hold out; all others are ``fit``.
        val_fraction: share of the subjects to hold out at random where ``val_subjects`` is empty, in (0, 1).
        seed: of the draw.

    Returns:
        ``{"fit": items, "val": items}``.

    Raises:
        ValueError: an unknown name, a text in place of a list, a share out of range, or a part without subjects.

    Example:
        >>> items = [{"subject": name} for name in "abc"]
        >>> held_out_split(items, ["b"])["fit"]
        [{'subject': 'a'}, {'subject': 'c'}]
    """
    if isinstance(val_subjects, str):
        raise ValueError(f"val_subjects: expected a list of names, such as ['{val_subjects}'], got {val_subjects!r}")
    if not val_subjects and not 0 < val_fraction < 1:
        raise ValueError(f"val_fraction: expected a share between 0 and 1, got {val_fraction}")
    if not val_subjects:
        return split_subjects(items, {"fit": 1.0 - val_fraction, "val": float(val_fraction)}, seed)
    val = select_subjects(items, val_subjects)
    fit = [item for item in items if item["subject"] not in set(val_subjects)]
    if not fit:
        raise ValueError(f"expected val_subjects to leave a subject to train on, got all of {', '.join(val_subjects)}")
    return {"fit": fit, "val": val}


def select_subjects(items: Sequence[dict], names: Sequence[str]) -> list[dict]:
    """Items of the named subjects, in their given order.

    Args:
        items: dictionaries with the key ``subject``.
        names: the subjects to keep.

    Returns:
        The items kept.

    Raises:
        ValueError: a name that no item has.

    Example:
        >>> select_subjects([{"subject": "a"}, {"subject": "b"}], ["b"])
        [{'subject': 'b'}]
    """
    known = {item["subject"] for item in items}
    unknown = sorted(set(names) - known)
    if unknown:
        raise ValueError(f"expected names among {', '.join(sorted(known))}; got {', '.join(unknown)}")
    wanted = set(names)
    return [item for item in items if item["subject"] in wanted]


def describe_subjects(items: Sequence[dict]) -> str:
    """Which subjects a part holds, short enough for the settings of a run: all names, or their number and a hash.

    Args:
        items: subjects or pairs of one patient, see :func:`~.pairs.subject_name`.

    Returns:
        The same text for the same subjects in the same order.

    Example:
        >>> describe_subjects([{"subject": "ms07"}, {"subject": "ms19"}])
        'ms07, ms19'
    """
    names = [subject_name(item) for item in items]
    if len(names) <= 8:
        return ", ".join(names)
    return f"{len(names)} subjects, {hashlib.sha256(json.dumps(names).encode()).hexdigest()[:8]}"


def _shuffled_names(items: Sequence[dict], seed: int) -> list[str]:
    names = sorted({item["subject"] for item in items})
    order = torch.randperm(len(names), generator=torch.Generator().manual_seed(seed))
    return [names[index] for index in order.tolist()]


def _counts(sizes: Mapping[str, float], num_subjects: int) -> dict[str, int]:
    if sizes and all(isinstance(size, int) for size in sizes.values()):
        counts = dict(sizes)
    elif sizes and all(isinstance(size, float) and 0 < size <= 1 for size in sizes.values()):
        counts = _apportion(sizes, num_subjects)
    else:
        raise ValueError(f"sizes: expected only counts or only fractions in (0, 1], got {dict(sizes)}")
    if sum(counts.values()) > num_subjects:
        raise ValueError(f"sizes: expected at most {num_subjects} subjects in total, got {dict(sizes)}")
    empty = [part for part, count in counts.items() if count < 1]
    if empty:
        raise ValueError(
            f"sizes: expected at least one of {num_subjects} subjects in each part, "
            f"got none for {', '.join(empty)} with {dict(sizes)}"
        )
    return counts


def _apportion(fractions: Mapping[str, float], num_subjects: int) -> dict[str, int]:
    """Whole numbers nearest to the fractions with the right sum (largest remainders first)."""
    exact = {part: fraction * num_subjects for part, fraction in fractions.items()}
    counts = {part: math.floor(value + 1e-9) for part, value in exact.items()}
    missing = round(sum(exact.values())) - sum(counts.values())
    by_remainder = sorted(exact, key=lambda part: counts[part] - exact[part])
    for part in by_remainder[: max(missing, 0)]:
        counts[part] += 1
    return counts
