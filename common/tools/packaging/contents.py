"""What a packaged bundle holds, as a mapping from path to content."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .card import hugging_face_card, package_card
from .configs import code_name, code_names, package_config
from .vendor import import_closure

REQUIRED_FILES = (
    "LICENSE",
    "configs/metadata.json",
    "configs/train.json",
    "configs/evaluate.json",
    "configs/inference.json",
    "configs/multi_gpu_train.json",
    "configs/logging.conf",
    "docs/README.md",
    "docs/data_license.txt",
    "models/model.pt",
)
_PATTERNS = ("LICENSE", "large_files.*", "configs/*.json", "configs/*.conf", "docs/**/*", "models/*.pt")
_CARD = "docs/README.md"
_RECORDS = (".json", ".md")  # studies and results tell of the repository, where their commands run


def bundle_files(bundle: str | Path) -> dict[str, Path]:
    """Files of a bundle that belong into its package: no runs, no exports, no pages beside the card, nothing hidden.

    Args:
        bundle: folder of the bundle.

    Returns:
        Path in the bundle → file, sorted.

    Raises:
        PackageError: if a required file is missing.
    """
    bundle = Path(bundle)
    missing = [name for name in REQUIRED_FILES if not (bundle / name).is_file()]
    if missing:
        raise PackageError(f"{bundle.name}: expected the file {missing[0]}, found none{_hint(bundle)}")
    found = [path for pattern in _PATTERNS for path in bundle.glob(pattern) if path.is_file()]
    names = {path.relative_to(bundle).as_posix(): path for path in found}
    return {name: names[name] for name in sorted(names) if not _is_left_out(name)}


def _is_left_out(name: str) -> bool:
    is_record = name.startswith("docs/") and name.endswith(_RECORDS) and name != _CARD
    return is_record or any(part[0] == "." for part in name.split("/"))


def read_config(path: Path) -> dict[str, Any]:
    """Content of a JSON file of a bundle.

    Raises:
        PackageError: if it is not JSON or no object.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise PackageError(f"{path}: expected JSON, got text that does not parse ({error})") from error
    if not isinstance(content, dict):
        raise PackageError(f"{path}: expected a JSON object, got {type(content).__name__}")
    return content


def write_config(content: dict[str, Any]) -> str:
    """JSON text in the layout of the bundles' configs."""
    return json.dumps(content, indent=4, ensure_ascii=False) + "\n"


def configs(bundle: str | Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Path in the bundle and content of each config, metadata left out, sorted."""
    for path in sorted(Path(bundle).glob("configs/*.json")):
        if path.name != "metadata.json":
            yield f"configs/{path.name}", read_config(path)


def package_contents(bundle: str | Path, source: str | Path) -> dict[str, bytes]:
    """Everything in the package of a bundle.

    Args:
        bundle: folder of the bundle.
        source: folder of the package ``common``; the modules that the configs reach are taken along unchanged.

    Returns:
        Path below the top folder → content.

    Raises:
        PackageError: if a file is missing or a config cannot be packaged.
    """
    bundle, source = Path(bundle), Path(source)
    contents = {name: path.read_bytes() for name, path in bundle_files(bundle).items()}
    names: list[str] = []
    for name, config in configs(bundle):
        names += code_names(config)
        try:
            contents[name] = write_config(package_config(config, bundle.name)).encode()
        except ValueError as error:
            raise PackageError(f"{bundle.name}/{name}: {error}") from error
    for path in import_closure(source, names).values():
        place = path.relative_to(source).as_posix()
        contents[f"{code_name(bundle.name)}/{place}"] = path.read_text(encoding="utf-8").encode()
    metadata = read_config(bundle / "configs" / "metadata.json")
    card = package_card(contents["docs/README.md"].decode(), bundle.name, metadata, list(contents))
    contents["docs/README.md"] = card.encode()
    contents["README.md"] = hugging_face_card(card, list(contents)).encode()
    return contents


def _hint(bundle: Path) -> str:
    listed = next(iter(sorted(bundle.glob("large_files.*"))), None)
    if listed is None:
        return ""
    return f"; {listed.name} may name it: python -m monai.bundle download_large_files --bundle_path {bundle}"


class PackageError(ValueError):
    """A bundle cannot be packaged; the message names the file and what is wrong with it. Nothing was written."""
