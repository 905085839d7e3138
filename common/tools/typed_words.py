"""What an option gets of the word that was typed for it: text as it stands, numbers as numbers."""

import inspect
import math
from collections.abc import Callable
from types import NoneType, UnionType
from typing import Any, get_args

NUMBERS: dict[type, tuple[Callable[[str], Any], str]] = {
    int: (int, "a whole number"),
    float: (float, "a number"),
}


class WordError(ValueError):
    """A word that its option cannot take."""


def for_fire(option: inspect.Parameter, word: str | None, checks_numbers: bool = True) -> str | None:
    """A word of the command line in the form in which Fire hands it on as its option means it.

    Fire evaluates words: 1.10 becomes 1.1, 2024_01_05 a number, run#1 the word run, a,b a tuple. In quotes they stay
    text. Options of other types than text, numbers and switches, such as lists, are Fire's.

    Args:
        option: with its annotation, or else with a default of its type.
        word: None for an option without a value.
        checks_numbers: whether to refuse a word that is no number where a number is meant, or to hand on the text.

    Raises:
        WordError: for a missing value and for a word that is no number; names the option.

    Example:
        >>> option = inspect.Parameter("output_dir", inspect.Parameter.KEYWORD_ONLY, annotation=str)
        >>> for_fire(option, "1.10")
        "'1.10'"
    """
    kinds = _kinds(option)
    if word is None:
        if kinds == {str} or (checks_numbers and kinds and kinds <= NUMBERS.keys()):
            expected = "a value" if kinds == {str} else NUMBERS[next(iter(kinds))][1]
            raise WordError(f"--{option.name}: expected {expected}, got no value")
        return None
    if bool in kinds and word in ("True", "False"):
        return word
    for kind in kinds & NUMBERS.keys():
        if _is_number(word, kind):
            return word
        if checks_numbers and kinds <= NUMBERS.keys() | {bool}:
            raise WordError(f"--{option.name}: expected {NUMBERS[kind][1]}, got {word!r}")
    return repr(word) if str in kinds else word


def _kinds(option: inspect.Parameter) -> set[Any]:
    """Types that an option may have, but for None."""
    annotation = option.annotation
    if annotation is inspect.Parameter.empty:
        annotation = type(option.default) if option.default not in (inspect.Parameter.empty, None) else object
    kinds = get_args(annotation) if isinstance(annotation, UnionType) else (annotation,)
    return set(kinds) - {NoneType}


def _is_number(word: str, kind: type) -> bool:
    try:
        return math.isfinite(NUMBERS[kind][0](word))
    except ValueError:
        return False
