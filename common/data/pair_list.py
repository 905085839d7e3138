"""A plain JSON list of pairs, the format for one's own data."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..files import did_you_mean, existing_file, read_dataset_json

PAIR_KEYS = ("fixed", "moving", "fixed_label", "moving_label", "fixed_points", "moving_points")
NAME_KEY = "name"


def read_pair_list(path: str | Path, more_keys: tuple[str, ...] = ()) -> list[dict[str, str]]:
    """Reads pairs of files from JSON.

    The file holds a list ``[{"fixed": "a.nii.gz", "moving": "b.nii.gz"}, ...]``, or ``{"pairs": [...]}`` with
    one. Optional keys are fixed_label, moving_label, fixed_points and moving_points, and name, which no two
    pairs share. File names are relative to the JSON file or absolute.

    Args:
        path: the JSON file.
        more_keys: of files that an entry may also name.

    Returns:
        The pairs with absolute paths and, where given, the name.

    Raises:
        FileNotFoundError: the JSON or a listed file is missing.
        ValueError: no pairs, an unknown key, an entry without fixed or moving, or a name that cannot be a folder
            or occurs twice.
    """
    path = Path(path).expanduser()
    content = read_dataset_json(path)
    entries = content.get("pairs") if isinstance(content, Mapping) else content
    if not isinstance(entries, list) or not entries:
        raise ValueError(f"{path}: expected a non-empty list of pairs, or one under the key 'pairs', got {content!r}")
    keys = (NAME_KEY, *PAIR_KEYS, *more_keys)
    pairs = [_read_pair(entry, number, path, keys) for number, entry in enumerate(entries)]
    check_names([pair[NAME_KEY] for pair in pairs if NAME_KEY in pair], path)
    return pairs


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


def _read_pair(entry: Mapping[str, str], number: int, path: Path, keys: tuple[str, ...]) -> dict[str, str]:
    where = f"{path}, pair {number}"
    if not isinstance(entry, Mapping):
        raise ValueError(f"{where}: expected an object with the keys fixed and moving, got {entry!r}")
    for key in entry:
        if key not in keys:
            raise ValueError(f"{where}: there is no key {key!r}, {did_you_mean(key, keys)}")
    missing = [key for key in ("fixed", "moving") if key not in entry]
    if missing:
        raise ValueError(f"{where}: expected the keys fixed and moving, {missing[0]} is missing")
    files = {key: file for key, file in entry.items() if key != NAME_KEY}
    pair = {key: existing_file(path.parent, file, f"{where}, {key}") for key, file in files.items()}
    return {**pair, NAME_KEY: _folder_name(entry[NAME_KEY], where)} if NAME_KEY in entry else pair


def _folder_name(name: str, where: str) -> str:
    if str(name) in ("", ".", "..") or Path(str(name)).name != str(name):
        raise ValueError(f"{where}: expected a name that can be a folder, got {name!r}")
    return str(name)
