"""Files that are either the old or the new version, never half of one."""

import json
import os
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch


def write_atomically(path: str | Path, write: Callable[[BinaryIO], None]) -> None:
    """Write a file in one step: a temporary file in the same folder, flushed to the disk, then renamed.

    A process that is killed at any moment leaves the old file or the new one.

    Args:
        path: file to create or replace; its folder is created where missing.
        write: receives the open binary file.

    Raises:
        OSError: if the folder cannot be written; the old file is then untouched.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "new" / "answer.txt"
        >>> write_atomically(file, lambda stream: stream.write(b"42"))
        >>> file.read_text()
        '42'
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            write(stream)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def plain(value: Any) -> Any:
    """Replace numpy scalars and one-element tensors by Python numbers, inside mappings and sequences too.

    Args:
        value: any nesting of mappings, lists and tuples.

    Returns:
        The same nesting; arrays and larger tensors become nested lists, other objects are kept.

    Example:
        >>> plain({"dice": np.float64(0.5), "per_label": torch.tensor([1.0, 0.25])})
        {'dice': 0.5, 'per_label': [1.0, 0.25]}
    """
    if isinstance(value, torch.Tensor):
        return value.item() if value.numel() == 1 else value.tolist()
    if isinstance(value, np.generic | np.ndarray):
        return value.item() if value.size == 1 else value.tolist()
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [plain(item) for item in value]
    return value


def _finite(value: Any) -> Any:
    """JSON has no NaN and no infinity: both become null."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


def _on_one_line(match: re.Match) -> str:
    return "[" + re.sub(r"\n\s*", " ", match[0][1:-1]).strip() + "]"


def write_json(path: str | Path, content: Any) -> None:
    """Write a JSON file atomically: floats in full precision, NaN and infinity as null, plain lists on one line.

    Args:
        path: file to create or replace.
        content: anything :func:`plain` turns into numbers, strings, lists and mappings.

    Raises:
        TypeError: if an object in ``content`` has no JSON form.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "metrics.json"
        >>> write_json(file, {"dice": 1 / 3, "sdlogj": float("nan")})
        >>> json.loads(file.read_text())
        {'dice': 0.3333333333333333, 'sdlogj': None}
    """
    text = json.dumps(_finite(plain(content)), indent=2, ensure_ascii=False) + "\n"
    text = re.sub(r"\[\n[^\[\]{}]*\]", _on_one_line, text)
    write_atomically(path, lambda stream: stream.write(text.encode()))
