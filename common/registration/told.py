"""Warnings of one registration, kept for its records."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from ..words import InputWarning


@contextmanager
def told() -> Iterator[list[str]]:
    """Collects the sentences of :class:`~common.words.InputWarning` in the order of their first time.

    They are shown as ever, each once.

    Yields:
        The list, which grows while the block runs.

    Example:
        >>> with told() as sentences:
        ...     for _ in range(2):
        ...         warnings.warn("a.nii: no place", InputWarning)
        >>> sentences
        ['a.nii: no place']
    """
    sentences: list[str] = []
    with warnings.catch_warnings():
        warnings.simplefilter("always", InputWarning)
        show = warnings.showwarning

        def note(message, category, *place, **more) -> None:
            if issubclass(category, InputWarning):
                if str(message) in sentences:
                    return
                sentences.append(str(message))
            show(message, category, *place, **more)

        warnings.showwarning = note
        yield sentences
