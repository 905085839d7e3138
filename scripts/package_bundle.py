"""Builds self-contained zips of bundles, for the Model Zoo, Hugging Face or any folder; docs/publishing.md says how.

    python scripts/package_bundle.py mcd_pemd
    python scripts/package_bundle.py --all --output_dir dist
    python scripts/package_bundle.py mcd_pemd --record

A zip holds one top folder with configs, weights, card, license and the code that the configs use. It is checked before
it is written: nothing appears in the output folder for a bundle with a fault, and the message names the fault.
"""

from pathlib import Path

from common.tools.command_line import run_command
from common.tools.packaging.build import build_package
from common.tools.packaging.contents import PackageError
from common.tools.packaging.weights import record_weights

BUNDLES = Path(__file__).resolve().parent.parent / "bundles"


def package_bundle(name: str = "", output_dir: str = "dist", all: bool = False, record: bool = False) -> None:
    """Package one bundle or all of them.

    Args:
        name: name of a folder in bundles/, or path of one.
        output_dir: folder that gets <name>_v<version>.zip.
        all: package every bundle; those with a fault are named at the end.
        record: write the hash of models/model.pt into metadata.json for the current version, and build nothing.

    Raises:
        SystemExit: naming each bundle that could not be packaged.
    """
    if all == bool(name):
        raise SystemExit(f"package_bundle: expected the name of a bundle or --all, got name {name!r} and all {all}")
    faults = []
    for bundle in _all_bundles() if all else [_bundle(name)]:
        try:
            print(record_weights(bundle) if record else build_package(bundle, output_dir))
        except PackageError as error:
            faults.append(str(error))
    if faults:
        raise SystemExit("\n".join(f"package_bundle: {fault}" for fault in faults))


def _all_bundles() -> list[Path]:
    return sorted(path.parent.parent for path in BUNDLES.glob("*/configs/metadata.json"))


def _bundle(name: str) -> Path:
    known = [path.name for path in _all_bundles()]
    if name in known:
        return BUNDLES / name
    if Path(name, "configs").is_dir():
        return Path(name)
    raise SystemExit(f"package_bundle: expected one of {', '.join(known)} or the folder of a bundle, got {name!r}")


if __name__ == "__main__":
    run_command(package_bundle)
