"""Errors of ``python -m monai.bundle run``: their cause as the last line, without the traceback of the runner."""

import logging
import os
import sys
from types import TracebackType

import torch

TRACEBACK_VARIABLE = "REGISTRATION_TRACEBACK"
EXPECTED = (ValueError, OSError, MemoryError, torch.OutOfMemoryError)  # of bad input; they say what to change


def end_with_the_cause() -> None:
    """Let an error that ends the process be told by :func:`report`, if MONAI's bundle runner is the program.

    MONAI's print of a transform's input goes too. Nothing changes for other programs, which catch errors themselves,
    nor where the environment variable ``REGISTRATION_TRACEBACK`` is set.
    """
    program = getattr(sys.modules["__main__"], "__spec__", None)
    if program is not None and program.name.startswith("monai.bundle") and not os.environ.get(TRACEBACK_VARIABLE):
        sys.excepthook = report
        logging.getLogger("DataStats").disabled = True


def report(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    """Write an error to stderr, its cause on the last line; a traceback only where the cause is no fault of the input.

    Args:
        kind: class of the error.
        error: what ended the program.
        traceback: where.
    """
    found = cause(error)
    expected = isinstance(found, EXPECTED)
    if not expected:
        sys.__excepthook__(kind, error, traceback)
    name = "" if expected and str(found) else f"{type(found).__name__}: "
    hint = f"{TRACEBACK_VARIABLE}=1 before the command shows the traceback\n" if expected else ""
    sys.stderr.write(f"{hint}error: {name}{' '.join(str(found).split())}\n")


def cause(error: BaseException) -> BaseException:
    """The error that MONAI's own ones, such as "Failed to instantiate component", were raised from.

    Example:
        >>> try:
        ...     try:
        ...         raise ValueError("no folder")
        ...     except ValueError as error:
        ...         raise RuntimeError("Failed to instantiate component") from error
        ... except RuntimeError as error:
        ...     cause(error)
        ValueError('no folder')
    """
    while isinstance(error, RuntimeError) and error.__cause__ is not None:
        error = error.__cause__
    return error
