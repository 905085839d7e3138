"""The JSON file that describes a data set: read it, and resolve the files it names."""

import json
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any


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
        return json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
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


def _describe_folder(folder: Path) -> str:
    if not folder.is_dir():
        return f"but there is no folder {folder}"
    names = sorted(entry.name for entry in folder.iterdir())
    if not names:
        return f"but the folder {folder} is empty"
    shown = ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
    return f"but its folder holds {shown}"
