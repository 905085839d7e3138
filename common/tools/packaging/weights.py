"""Ties the weights of a bundle to its version."""

import hashlib
from pathlib import Path

from ...files import write_atomically
from .contents import PackageError, read_config, write_config


def check_weights(bundle: str | Path) -> None:
    """Compare the files of ``models/`` with what ``metadata.json`` records for the version.

    ``model_sha256`` has the hashes of ``models/model.pt``, ``pswd_sha256`` those of a ``models/pswd.pt`` beside it.

    Args:
        bundle: folder of the bundle.

    Raises:
        PackageError: if nothing is recorded for a file, or another hash.
    """
    bundle = Path(bundle)
    metadata = _metadata(bundle)
    version = str(metadata.get("version"))
    for record, found in _hashes(bundle).items():
        recorded = metadata.get(record, {})
        if version not in recorded:
            command = f"python scripts/package_bundle.py {bundle.name} --record"
            raise PackageError(f"{bundle.name}: {record} of metadata.json lacks version {version}; {command} adds it")
        _check_same(bundle, version, record, recorded[version], found)


def record_weights(bundle: str | Path) -> str:
    """Write the hashes of the files of ``models/`` into ``metadata.json`` under the current version.

    Args:
        bundle: folder of the bundle.

    Returns:
        What was recorded.

    Raises:
        PackageError: if the version has other weights already; a changed weight needs a new version.
    """
    bundle = Path(bundle)
    metadata, hashes = _metadata(bundle), _hashes(bundle)
    version = str(metadata.get("version"))
    for record, found in hashes.items():
        recorded = metadata.get(record, {})
        _check_same(bundle, version, record, recorded.get(version, found), found)
        metadata[record] = recorded | {version: found}
    text = write_config(metadata)
    write_atomically(bundle / "configs" / "metadata.json", lambda stream: stream.write(text.encode()))
    return f"{bundle.name}: version {version} has the weights {', '.join(hashes.values())}"


def _metadata(bundle: Path) -> dict:
    return dict(read_config(bundle / "configs" / "metadata.json"))


def _hashes(bundle: Path) -> dict[str, str]:
    """Entry of metadata.json → sha256 of the file that it records."""
    if not (bundle / "models" / "model.pt").is_file():
        raise PackageError(f"{bundle.name}: expected the file models/model.pt, found none")
    files = sorted((bundle / "models").glob("*.pt"))
    return {f"{file.stem}_sha256": hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def _check_same(bundle: Path, version: str, record: str, recorded: str, found: str) -> None:
    if recorded != found:
        raise PackageError(
            f"{bundle.name}: models/{record.removesuffix('_sha256')}.pt differs from the weights of version {version}; "
            "raise version in metadata.json, add it to changelog, and record the weights with --record"
        )
