"""What a caller asks for: steps as numbers or as settings, and an effort where nothing is asked."""

from numbers import Integral
from types import UnionType
from typing import Any

from .prediction import gives_features


def step(name: str, value: Any, settings: type | UnionType) -> Any:
    """A step as it may be asked for: its settings, or a whole number, also one of NumPy, or None for 0.

    Raises:
        ValueError: for anything else, such as True.

    Example:
        >>> from common.registration.steps import DiscreteSearch, Refinement
        >>> step("search", 2, DiscreteSearch)
        2
        >>> step("refine", True, Refinement)
        Traceback (most recent call last):
        ValueError: refine: expected a whole number of at least 0, or its settings, got True
    """
    if value is None or isinstance(value, settings):
        return value or 0
    if isinstance(value, bool) or not isinstance(value, Integral) or value < 0:
        raise ValueError(f"{name}: expected a whole number of at least 0, or its settings, got {value!r}")
    return int(value)


def own_effort(bundle: str, *steps: Any) -> str:
    """The effort where none is asked for: "normal" without a bundle that predicts and without steps, else "none".

    Example:
        >>> own_effort("none", False, 0), own_effort("mcd_pemd", False, 0), own_effort("none", True, 0)
        ('normal', 'none', 'none')
    """
    predicts = bundle not in ("", "none") and not gives_features(bundle)
    return "none" if predicts or any(steps) else "normal"
