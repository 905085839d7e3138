"""From a bundle's folder to its zip."""

import tempfile
from pathlib import Path

from .archive import write_zip
from .checks import check_large_files, check_metadata, check_requirements
from .contents import bundle_files, package_contents
from .error import PackageError
from .trial import try_package
from .weights import check_weights

_SOURCE = Path(__file__).resolve().parents[1]


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
