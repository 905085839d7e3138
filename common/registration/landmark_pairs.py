"""Which landmark of one file belongs to which of another: by their names, by their order only where there are none."""

import re
import warnings
from collections.abc import Sequence

import torch

from ..words import InputWarning
from .landmarks import Landmarks


def paired(fixed: Landmarks, moving: Landmarks) -> tuple[torch.Tensor, torch.Tensor, tuple[str, ...]]:
    """Corresponding points of two files.

    Names pair them where both files have each name once; points that one file lists as undefined are left out of both.
    Names that a program has counted, such as F-1 and M-1, are compared by their numbers. Files in which a name occurs
    twice, and a file without names, are taken in their order, with a warning.

    Args:
        fixed: landmarks of the fixed image.
        moving: landmarks of the moving image.

    Returns:
        Points (N, 3) and (N, 3), RAS mm, and their N names.

    Raises:
        ValueError: where one file has a point that the other lacks; names both.

    Example:
        >>> points = torch.tensor([[1.0, 0.0, 0.0], [2.0, 0.0, 0.0]])
        >>> pairs = paired(Landmarks(points, ("tip", "base")), Landmarks(points, ("base", "tip")))
        >>> pairs[1].tolist(), pairs[2]
        ([[2.0, 0.0, 0.0], [1.0, 0.0, 0.0]], ('tip', 'base'))
    """
    sides = (fixed, moving)
    names = [_all_names(side) for side in sides]
    has_names = [not _is_numbered(own) for own in names]
    if set(names[0]) != set(names[1]):
        names = [_numbers(own) for own in names]
    is_unclear = has_names[0] != has_names[1] and set(names[0]) != set(names[1])
    if is_unclear or any(len(set(own)) < len(own) for own in names):
        return _in_order(fixed, moving)
    _check_has(moving, names[1], fixed, names[0])
    _check_has(fixed, names[0], moving, names[1])
    places = [dict(zip(own, range(len(side.labels)), strict=False)) for own, side in zip(names, sides, strict=True)]
    common = [name for name in places[0] if name in places[1]]
    chosen = [side.points_mm[[place[name] for name in common]] for side, place in zip(sides, places, strict=True)]
    return chosen[0], chosen[1], tuple(fixed.labels[places[0][name]] for name in common)


def _all_names(side: Landmarks) -> list[str]:
    """Names of the points of a file, those without a place last."""
    return [*side.labels, *side.undefined]


def _is_numbered(names: Sequence[str]) -> bool:
    """Whether names are those that a file without any gets."""
    return sorted(names) == sorted(map(str, range(1, len(names) + 1)))


def _numbers(names: list[str]) -> list[str]:
    """The numbers of names that differ in them only; other names stay as they are."""
    found = [re.fullmatch(r"(.*?)(\d+)", name) for name in names]
    if all(found) and len({match[1] for match in found if match}) == 1:
        return [str(int(match[2])) for match in found if match]
    return names


def _check_has(side: Landmarks, names: list[str], other: Landmarks, other_names: list[str]) -> None:
    """Refuse a file that lacks a point of the other one."""
    missing = [label for label, name in zip(_all_names(other), other_names, strict=True) if name not in names]
    if missing:
        raise ValueError(
            f"{side.source}: expected the landmarks that {other.source} has, {', '.join(missing)}"
            f" {'is' if len(missing) == 1 else 'are'} missing"
        )


def _in_order(fixed: Landmarks, moving: Landmarks) -> tuple[torch.Tensor, torch.Tensor, tuple[str, ...]]:
    if len(fixed.points_mm) != len(moving.points_mm) or fixed.undefined or moving.undefined:
        raise ValueError(
            f"{moving.source}: expected as many fixed_points as moving_points, or names that tell which belong"
            f" together, got {len(fixed.points_mm)} and {len(moving.points_mm)}"
        )
    warnings.warn(
        f"{fixed.source} and {moving.source}: landmarks are paired by their order, as their names do not tell which"
        " belong together",
        InputWarning,
        stacklevel=3,
    )
    return fixed.points_mm, moving.points_mm, fixed.labels
