"""What must be true of a bundle's files before they are packaged."""

import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

from monai.apps import check_hash
from monai.bundle import ConfigParser

from .configs import SOURCE, code_names
from .contents import PackageError, bundle_files, configs, read_config
from .vendor import import_closure, imported_names

LARGE_FILE_BYTES = 25 * 10**6
METADATA = (
    "schema",
    "version",
    "changelog",
    "monai_version",
    "pytorch_version",
    "numpy_version",
    "required_packages_version",
    "task",
    "description",
    "authors",
    "copyright",
    "network_data_format",
)
_BASE_PACKAGES = {"torch", "monai", "numpy"}


def check_metadata(bundle: str | Path) -> dict[str, Any]:
    """Read ``metadata.json`` and check that it is complete, lists its version and names installable versions.

    Args:
        bundle: folder of the bundle.

    Returns:
        The content.

    Raises:
        PackageError: naming the entry.
    """
    path = Path(bundle) / "configs" / "metadata.json"
    metadata = read_config(path)
    missing = [name for name in METADATA if not metadata.get(name)]
    if missing:
        raise PackageError(f"{path}: expected the entry {missing[0]}, found none")
    if metadata["version"] not in metadata["changelog"]:
        listed = ", ".join(metadata["changelog"])
        raise PackageError(f"{path}: expected version {metadata['version']} in changelog, which has {listed}")
    versions = {name: metadata[name] for name in ("monai_version", "pytorch_version", "numpy_version")}
    for name, version in (versions | metadata["required_packages_version"]).items():
        if not re.fullmatch(r"\d+(\.\d+)*((a|b|rc|\.post)\d+)?", str(version)):
            raise PackageError(f"{path}: {name}: expected a version that PyPI has, such as 1.2.3, got {version!r}")
    return metadata


def check_schema(bundle: str | Path, schema: str | Path) -> None:
    """Compare ``metadata.json`` with the schema that it names, as the Model Zoo does; needs the package jsonschema.

    Args:
        bundle: folder of the bundle.
        schema: file with a copy of it.

    Raises:
        PackageError: naming the first entry that does not follow it.
    """
    from jsonschema import ValidationError, validate

    path = Path(bundle) / "configs" / "metadata.json"
    try:
        validate(read_config(path), read_config(Path(schema)))
    except ValidationError as error:
        entry = "/".join(map(str, error.absolute_path)) or "the whole"
        raise PackageError(f"{path}: {entry}: expected what {schema} says, got {error.message}") from error
    except OSError as error:
        raise PackageError(f"schema: expected a file with the Model Zoo's schema, got {schema} ({error})") from error


def check_large_files(bundle: str | Path) -> None:
    """Check that every file above 25 MB is listed in ``large_files.yml`` and is the file that is listed.

    Args:
        bundle: folder of the bundle.

    Raises:
        PackageError: naming the file.
    """
    bundle = Path(bundle)
    listed = {entry["path"]: entry for entry in _large_files(bundle)}
    for name, path in bundle_files(bundle).items():
        size = path.stat().st_size
        if size > LARGE_FILE_BYTES and name not in listed:
            raise PackageError(
                f"{bundle.name}: {name} has {size / 1e6:.1f} MB; expected files above "
                f"{LARGE_FILE_BYTES / 1e6:g} MB to be listed in large_files.yml with path, url, hash_type and hash_val"
            )
        entry = listed.get(name, {})
        if entry.get("hash_val") and not check_hash(path, entry["hash_val"], entry.get("hash_type") or "md5"):
            raise PackageError(f"{bundle.name}: {name} is not the file that large_files.yml lists, its hash differs")


def check_requirements(bundle: str | Path, source: str | Path) -> None:
    """Check that the metadata names every package which the bundle's code and configs import.

    Args:
        bundle: folder of the bundle.
        source: folder of the package ``common``.

    Raises:
        PackageError: naming the package and where it is imported.
    """
    bundle = Path(bundle)
    metadata = read_config(bundle / "configs" / "metadata.json")
    declared = _BASE_PACKAGES | metadata["required_packages_version"].keys()
    declared = {_normalized(name) for name in declared | metadata.get("optional_packages_version", {}).keys()}
    distributions = packages_distributions()
    used = {f"{bundle.name}/{name}": set(code_names(config)) for name, config in configs(bundle)}
    names = {name for found in used.values() for name in found}
    for module, file in import_closure(source, names).items():
        used[module] = imported_names(file.read_text(encoding="utf-8"), module)
    for place, found in used.items():
        for top in sorted({name.partition(".")[0] for name in found} - {SOURCE} - set(sys.stdlib_module_names)):
            if not declared & {_normalized(name) for name in distributions.get(top, [top])}:
                raise PackageError(
                    f"{bundle.name}: {place} imports {top}; expected it in required_packages_version of metadata.json"
                )


def _normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _large_files(bundle: Path) -> list[dict[str, str]]:
    files = [path for path in sorted(bundle.glob("large_files.*")) if path.suffix in (".yml", ".yaml", ".json")]
    return ConfigParser.load_config_files(files)["large_files"] if files else []
