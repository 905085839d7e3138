"""Packages that only some inputs need."""

from importlib import import_module
from types import ModuleType


def optional_module(name: str, purpose: str) -> ModuleType:
    """Import a package that may be missing; bundles then do not need it.

    Args:
        name: of the package, as it is imported and installed.
        purpose: the file or the thing that needs it, for the error.

    Raises:
        ValueError: where it is not installed.

    Example:
        >>> optional_module("no_such_package", "a.nrrd")
        Traceback (most recent call last):
        ValueError: a.nrrd: expected the package no_such_package for it: pip install no_such_package
    """
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise ValueError(f"{purpose}: expected the package {name} for it: pip install {name}") from error
