"""Files and folders that appear whole or not at all, and the JSON files that describe a data set."""

import json
import os
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
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


def merged(settings: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None) -> dict[str, Any]:
    """One plain dictionary of one or several.

    Raises:
        ValueError: where two give one name different values.

    Example:
        >>> merged([{"seed": 0}, {"seed": 0, "rate": np.float64(0.5)}])
        {'seed': 0, 'rate': 0.5}
    """
    result: dict[str, Any] = {}
    for part in [settings or {}] if isinstance(settings, Mapping | None) else settings:
        for name, value in plain(part).items():
            if result.setdefault(name, value) != value:
                raise ValueError(f"settings: expected one value of {name}, got {result[name]!r} and {value!r}")
    return result


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


@contextmanager
def new_folder(path: str | Path) -> Iterator[Path]:
    """Yields a temporary folder beside ``path`` and renames it to ``path`` when the block ends without an
    error.

    Args:
        path: a folder that does not exist yet.

    Yields:
        The folder to write into.

    Raises:
        FileExistsError: ``path`` exists.

    Example:
        >>> with tempfile.TemporaryDirectory() as parent:
        ...     with new_folder(f"{parent}/data") as folder:
        ...         _ = (folder / "a.txt").write_text("a")
        ...     Path(parent, "data", "a.txt").is_file()
        True
    """
    path = Path(path).expanduser()
    if path.exists():
        raise FileExistsError(f"expected a folder that does not exist yet, got {path}")
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as parent:
        partial = Path(parent) / path.name
        partial.mkdir()
        yield partial
        partial.rename(path)


BYTE_ORDER_MARKS = (
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
    (b"\xef\xbb\xbf", "utf-8-sig"),
)


def read_text(path: str | Path) -> str:
    """A text file in UTF-8, in what its first bytes say, or in the code page of Western Windows.

    Raises:
        ValueError: for other bytes; names the file.
    """
    content = Path(path).read_bytes()
    encoding = next((name for mark, name in BYTE_ORDER_MARKS if content.startswith(mark)), "")
    if not encoding and b"\0" in content[:64]:
        encoding = "utf-16-le" if content[1:2] == b"\0" else "utf-16-be"
    reason: UnicodeDecodeError | None = None
    for name in [encoding] if encoding else ["utf-8", "cp1252"]:
        try:
            return content.decode(name)
        except UnicodeDecodeError as error:
            reason = error
    raise ValueError(f"{path}: expected text in UTF-8, got other bytes ({reason})") from reason


def read_dataset_json(path: str | Path) -> Any:
    """Reads a JSON file.

    Args:
        path: the file.

    Returns:
        The parsed content.

    Raises:
        FileNotFoundError: the file is missing; the message lists what its folder holds instead.
        ValueError: the content is not JSON.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"expected the file {path}, {_describe_folder(path.parent)}")
    try:
        return json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}: expected JSON, got text that does not parse ({error})") from error


def existing_file(folder: str | Path, name: str, role: str) -> str:
    """Absolute path of a file that a data set names, checked to exist and to hold bytes.

    Args:
        folder: the folder that relative names start from; ``~`` is expanded.
        name: file name, relative to ``folder`` or absolute.
        role: what the file is to the reader of an error message, such as ``"T2 of subject ms07"``.

    Returns:
        The absolute path.

    Raises:
        TypeError: ``name`` is no text.
        FileNotFoundError: there is no such file.
        ValueError: the file is empty.
    """
    if not isinstance(name, str):
        raise TypeError(f"{role}: expected a file name, got {name!r}")
    path = (Path(folder) / Path(name).expanduser()).resolve()
    if not path.is_file():
        raise FileNotFoundError(f"{role}: expected the file {path}, {_describe_folder(path.parent)}")
    if path.stat().st_size == 0:
        raise ValueError(f"{role}: expected an image or a table, got the empty file {path}")
    return str(path)


def _describe_folder(folder: Path) -> str:
    if not folder.is_dir():
        return f"but there is no folder {folder}"
    names = sorted(entry.name for entry in folder.iterdir())
    if not names:
        return f"but the folder {folder} is empty"
    shown = ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
    return f"but its folder holds {shown}"
