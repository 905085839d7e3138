"""From a bundle's folder to its zip."""

import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from ...files import write_atomically
from .checks import check_large_files, check_metadata, check_requirements
from .contents import PackageError, bundle_files, package_contents
from .trial import try_package
from .weights import check_weights

_SOURCE = Path(__file__).resolve().parents[2]


def build_package(bundle: str | Path, output_dir: str | Path, source: str | Path = _SOURCE) -> Path:
    """Write ``<name>_v<version>.zip``, a bundle that runs without this repository.

    Args:
        bundle: folder of the bundle.
        output_dir: folder that gets the zip; an older one of the same version is replaced.
        source: folder of the package ``common``.

    Returns:
        The zip, with one top folder named as the bundle.

    Raises:
        PackageError: naming what is wrong with the bundle; then nothing is written.
    """
    bundle = Path(bundle).resolve()
    if not (bundle / "configs").is_dir():
        raise PackageError(f"expected the folder of a bundle, with configs/metadata.json in it, got {bundle}")
    bundle_files(bundle)
    metadata = check_metadata(bundle)
    check_weights(bundle)
    check_large_files(bundle)
    contents = package_contents(bundle, source)
    check_requirements(bundle, source)
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / bundle.name
        for name, content in contents.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        try_package(folder)
    path = Path(output_dir) / f"{bundle.name}_v{metadata['version']}.zip"
    write_zip(path, {f"{bundle.name}/{name}": content for name, content in contents.items()})
    return path


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
