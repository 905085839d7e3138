"""A plain list of pairs, JSON or CSV, the format for one's own data."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..files import existing_file, read_dataset_json
from ..words import did_you_mean
from .tables import read_table

PAIR_KEYS = ("fixed", "moving", "fixed_label", "moving_label", "fixed_points", "moving_points")
MASK_KEYS = ("fixed_mask", "moving_mask")
NAME_KEY = "name"
MAX_SHOWN = 200  # letters of a list that an error shows


def read_entries(path: str | Path, more_keys: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    """Reads a list of pairs; whether their files can be read is not looked at.

    A JSON file holds a list ``[{"fixed": "a.nii.gz", "moving": "b.nii.gz"}, ...]``, or ``{"pairs": [...]}`` with
    one; a CSV file has a header, see :func:`~.tables.read_table`. Empty cells, null
    and NaN stand for nothing. Optional keys are fixed_label, moving_label, fixed_points and moving_points, and name,
    which no two pairs share.

    Args:
        path: the file.
        more_keys: of files that an entry may also name.

    Returns:
        The entries as they are, names as text.

    Raises:
        FileNotFoundError: no such list.
        ValueError: no pairs, an unknown key, an entry without fixed or moving, or a name that cannot be a folder
            or occurs twice.
    """
    path = Path(path).expanduser()
    places: Sequence[str] = ()
    if path.suffix.lower() == ".csv":
        table = read_table(path)
        content: Any = table.rows
        places = [f"line {line}" for line in table.lines]
    else:
        content = read_dataset_json(path)
    entries = content.get("pairs") if isinstance(content, Mapping) else content
    if not isinstance(entries, list) or not entries:
        found = repr(content)
        shown = found if len(found) < MAX_SHOWN else f"{found[:MAX_SHOWN]}…"
        raise ValueError(f"{path}: expected a list of pairs, or one under the key 'pairs', got {shown}")
    keys = (NAME_KEY, *PAIR_KEYS, *more_keys)
    places = places or [f"pair {number}" for number in range(len(entries))]
    checked = [_checked(entry, f"{path}, {place}", keys) for entry, place in zip(entries, places, strict=True)]
    check_names([entry[NAME_KEY] for entry in checked if NAME_KEY in entry], path)
    return checked


def read_pair_list(path: str | Path, more_keys: tuple[str, ...] = ()) -> list[dict[str, str]]:
    """Reads pairs of files, see :func:`read_entries`; their names are relative to the list or absolute.

    Args:
        path: the JSON or CSV file.
        more_keys: of files that an entry may also name.

    Returns:
        The pairs with absolute paths and, where given, the name.

    Raises:
        FileNotFoundError: the list or a listed file is missing.
        ValueError: for what :func:`read_entries` refuses.
    """
    path, pairs = Path(path).expanduser(), []
    for number, entry in enumerate(read_entries(path, more_keys)):
        files = {key: file for key, file in entry.items() if key != NAME_KEY}
        pair = {key: existing_file(path.parent, file, f"{path}, pair {number}, {key}") for key, file in files.items()}
        pairs.append(pair | ({NAME_KEY: entry[NAME_KEY]} if NAME_KEY in entry else {}))
    return pairs


def named(pairs: Sequence[Mapping[str, Any]], path: str | Path) -> list[dict[str, Any]]:
    """Pairs of a list with the name of their result folder; those without one are pair0, pair1, …

    Raises:
        ValueError: where two pairs have one name.

    Example:
        >>> [pair["name"] for pair in named([{"name": "knee"}, {}], "pairs.json")]
        ['knee', 'pair1']
    """
    digits = len(str(len(pairs) - 1))
    complete = [{NAME_KEY: f"pair{number:0{digits}d}", **pair} for number, pair in enumerate(pairs)]
    check_names([pair[NAME_KEY] for pair in complete], path)
    return complete


def check_names(names: Sequence[str], path: str | Path) -> None:
    """Refuse a list in which two pairs have one name.

    Raises:
        ValueError: names the list and what occurs twice.

    Example:
        >>> check_names(["a", "b", "a"], "pairs.json")
        Traceback (most recent call last):
        ValueError: pairs.json: expected every name once, got a more often
    """
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ValueError(f"{path}: expected every name once, got {', '.join(twice)} more often")


def _checked(entry: Mapping[str, Any], where: str, keys: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(entry, Mapping):
        raise ValueError(f"{where}: expected an object with the keys fixed and moving, got {entry!r}")
    entry = {key: value for key, value in entry.items() if value is not None and value == value}
    for key in entry:
        if key not in keys:
            raise ValueError(f"{where}: there is no key {key!r}, {did_you_mean(str(key), keys)}")
    missing = [key for key in ("fixed", "moving") if key not in entry]
    if missing:
        raise ValueError(f"{where}: expected the keys fixed and moving, {missing[0]} is missing")
    for key in keys[1:]:
        if not isinstance(entry.get(key, ""), str):
            raise TypeError(f"{where}, {key}: expected a file name, got {entry[key]!r}")
    name = str(entry.get(NAME_KEY, "pair"))
    if name in ("", ".", "..") or Path(name).name != name:
        raise ValueError(f"{where}: expected a name that can be a folder, got {entry[NAME_KEY]!r}")
    return {**entry, NAME_KEY: name} if NAME_KEY in entry else dict(entry)
