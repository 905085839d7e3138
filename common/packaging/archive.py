"""Zip files that depend on their content alone."""

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from ..atomic import write_atomically

_FIRST_MOMENT = (1980, 1, 1, 0, 0, 0)
_REGULAR_FILE = 0o100644 << 16
_UNIX = 3


def write_zip(path: str | Path, contents: Mapping[str, bytes]) -> None:
    """Write a zip whose bytes follow from names and contents: no clock, no permissions, no zlib version.

    Entries are sorted and stored without compression; weights would shrink by a few percent only.

    Args:
        path: file to create or replace, in one step.
        contents: path in the zip → content.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> write_zip(folder / "one.zip", {"b": b"2", "a": b"1"})
        >>> write_zip(folder / "two.zip", {"a": b"1", "b": b"2"})
        >>> (folder / "one.zip").read_bytes() == (folder / "two.zip").read_bytes()
        True
    """

    def write(stream: BinaryIO) -> None:
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
            for name in sorted(contents):
                entry = zipfile.ZipInfo(name, _FIRST_MOMENT)
                entry.create_system, entry.external_attr = _UNIX, _REGULAR_FILE
                archive.writestr(entry, contents[name])

    write_atomically(path, write)
