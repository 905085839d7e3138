"""A plain JSON list of pairs, the format for one's own data."""

from collections.abc import Mapping
from pathlib import Path

from .dataset_json import did_you_mean, existing_file, read_dataset_json

PAIR_KEYS = ("fixed", "moving", "fixed_label", "moving_label", "fixed_points", "moving_points")


def read_pair_list(path: str | Path, more_keys: tuple[str, ...] = ()) -> list[dict[str, str]]:
    """Reads pairs of files from JSON.

    The file holds a list ``[{"fixed": "a.nii.gz", "moving": "b.nii.gz"}, ...]``, or ``{"pairs": [...]}`` with
    one. Optional keys are fixed_label, moving_label, fixed_points and moving_points. File names are relative
    to the JSON file or absolute.

    Args:
        path: the JSON file.
        more_keys: of files that an entry may also name.

    Returns:
        The pairs with absolute paths.

    Raises:
        FileNotFoundError: the JSON or a listed file is missing.
        ValueError: no pairs, an unknown key, or an entry without fixed or moving.
    """
    path = Path(path).expanduser()
    content = read_dataset_json(path)
    entries = content.get("pairs") if isinstance(content, Mapping) else content
    if not isinstance(entries, list) or not entries:
        raise ValueError(f"{path}: expected a non-empty list of pairs, or one under the key 'pairs', got {content!r}")
    keys = (*PAIR_KEYS, *more_keys)
    return [_read_pair(entry, number, path, keys) for number, entry in enumerate(entries)]


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
    return {key: existing_file(path.parent, file, f"{where}, {key}") for key, file in entry.items()}
