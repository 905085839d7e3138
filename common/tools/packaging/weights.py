"""Ties the weights of a bundle to its version."""

import hashlib
from pathlib import Path

from ...files import write_atomically
from .contents import PackageError, read_config, write_config

RECORD = "model_sha256"


def check_weights(bundle: str | Path) -> None:
    """Compare ``models/model.pt`` with what ``metadata.json`` records for the version.

    Args:
        bundle: folder of the bundle.

    Raises:
        PackageError: if nothing is recorded, or another file.
    """
    bundle = Path(bundle)
    version, recorded, found = _version_record_and_hash(bundle)
    if version not in recorded:
        command = f"python scripts/package_bundle.py {bundle.name} --record"
        raise PackageError(f"{bundle.name}: {RECORD} of metadata.json lacks version {version}; {command} adds it")
    if recorded[version] != found:
        raise PackageError(_changed(bundle, version))


def record_weights(bundle: str | Path) -> str:
    """Write the hash of ``models/model.pt`` into ``metadata.json`` under the current version.

    Args:
        bundle: folder of the bundle.

    Returns:
        What was recorded.

    Raises:
        PackageError: if the version has other weights already; a changed weight needs a new version.
    """
    bundle = Path(bundle)
    version, recorded, found = _version_record_and_hash(bundle)
    if recorded.get(version, found) != found:
        raise PackageError(_changed(bundle, version))
    path = bundle / "configs" / "metadata.json"
    text = write_config(read_config(path) | {RECORD: recorded | {version: found}})
    write_atomically(path, lambda stream: stream.write(text.encode()))
    return f"{bundle.name}: version {version} has the weights {found}"


def _version_record_and_hash(bundle: Path) -> tuple[str, dict[str, str], str]:
    metadata = read_config(bundle / "configs" / "metadata.json")
    weights = bundle / "models" / "model.pt"
    if not weights.is_file():
        raise PackageError(f"{bundle.name}: expected the file models/model.pt, found none")
    found = hashlib.sha256(weights.read_bytes()).hexdigest()
    return str(metadata.get("version")), metadata.get(RECORD, {}), found


def _changed(bundle: Path, version: str) -> str:
    return (
        f"{bundle.name}: models/model.pt differs from the weights of version {version}; "
        "raise version in metadata.json, add it to changelog, and record the weights with --record"
    )
