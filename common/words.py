"""What error messages say of a word that is not known."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import TypeVar

Word = TypeVar("Word")


class InputWarning(UserWarning):
    """What a user should know of a file although it can be used; one plain sentence."""


def one_of(name: str, value: Word, known: Iterable[Word]) -> Word:
    """The value of a setting, which must be a known one.

    Args:
        name: of the setting, as the user writes it.
        value: what was given.
        known: what there is.

    Raises:
        ValueError: for another value; names the setting, what there is and what was given.

    Example:
        >>> one_of("init", "center", ("world", "center"))
        'center'
        >>> one_of("init", "middle", ("world", "center"))
        Traceback (most recent call last):
        ValueError: init: expected one of world, center, got 'middle'
    """
    known = list(known)
    if value not in known:
        raise ValueError(f"{name}: expected one of {', '.join(map(str, known))}, got {value!r}")
    return value


def did_you_mean(name: str, known: Sequence[str]) -> str:
    """Ending of an error message about an unknown name: the likely word, else all known ones.

    Example:
        >>> did_you_mean("fixed_lable", ["fixed", "fixed_label", "moving"])
        "did you mean 'fixed_label'?"
        >>> did_you_mean("xyz", ["fixed", "moving"])
        'known are fixed, moving'
    """
    close = get_close_matches(name, known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known are {', '.join(known)}"
