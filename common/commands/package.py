"""Builds self-contained zips of bundles, for the Model Zoo, Hugging Face or any folder; docs/publishing.md says how.

    python scripts/package_bundle.py mcd_pemd
    python scripts/package_bundle.py --all --output_dir dist
    python scripts/package_bundle.py mcd_pemd --record
    python scripts/package_bundle.py --all --dry_run --schema meta_schema_20240725.json

A zip holds one top folder with configs, weights, card, license and the code that the configs use. It is checked before
it is written: nothing appears in the output folder for a bundle with a fault, and the message names the fault.
"""

import tempfile
from pathlib import Path

from ..tools.packaging.build import build_package
from ..tools.packaging.checks import check_schema
from ..tools.packaging.contents import PackageError
from ..tools.packaging.weights import record_weights

BUNDLES = Path(__file__).resolve().parents[2] / "bundles"


def package_bundle(
    name: str = "",
    output_dir: str = "dist",
    all: bool = False,
    record: bool = False,
    dry_run: bool = False,
    schema: str = "",
) -> None:
    """Package one bundle or all of them.

    Args:
        name: name of a folder in bundles/, or path of one.
        output_dir: folder that gets <name>_v<version>.zip.
        all: package every bundle; those with a fault are named at the end.
        record: write the hash of models/model.pt into metadata.json for the current version, and build nothing.
        dry_run: check all that can be checked offline and leave nothing.
        schema: copy of the schema that metadata.json names, which it is then compared with.

    Raises:
        SystemExit: naming each bundle that could not be packaged.
    """
    if all == bool(name):
        raise SystemExit(f"package_bundle: expected the name of a bundle or --all, got name {name!r} and all {all}")
    faults = []
    for bundle in _all_bundles() if all else [_bundle(name)]:
        try:
            if schema:
                check_schema(bundle, schema)
            print(record_weights(bundle) if record else _built(bundle, output_dir, dry_run))
        except PackageError as error:
            faults.append(str(error))
    if faults:
        raise SystemExit("\n".join(f"package_bundle: {fault}" for fault in faults))


def _built(bundle: Path, output_dir: str, dry_run: bool) -> str:
    if not dry_run:
        return str(build_package(bundle, output_dir))
    with tempfile.TemporaryDirectory() as folder:
        package = build_package(bundle, folder)
        return f"{package.name}: nothing is wrong, {package.stat().st_size / 1e6:.1f} MB"


def _all_bundles() -> list[Path]:
    return sorted(path.parent.parent for path in BUNDLES.glob("*/configs/metadata.json"))


def _bundle(name: str) -> Path:
    known = [path.name for path in _all_bundles()]
    if name in known:
        return BUNDLES / name
    if Path(name, "configs").is_dir():
        return Path(name)
    raise SystemExit(f"package_bundle: expected one of {', '.join(known)} or the folder of a bundle, got {name!r}")
