"""The part of a Python package that some of its modules need, found from the import statements."""

import ast
from collections.abc import Iterable, Iterator
from importlib.util import resolve_name
from itertools import accumulate
from pathlib import Path


def import_closure(package: str | Path, names: Iterable[str]) -> dict[str, Path]:
    """Modules of a package that hold the given names, with everything that they import.

    Imports are read from the source, those inside functions too; nothing is executed. The ``__init__`` of every
    parent belongs to the closure, since Python runs it first.

    Args:
        package: folder of the top-level package.
        names: dotted names of modules or of things in them; those of other packages are ignored.

    Returns:
        Dotted module name → file, sorted.

    Example:
        >>> import common
        >>> closure = import_closure(Path(common.__file__).parent, ["common.fields.ddf.warp", "torch.nn.Conv2d"])
        >>> list(closure)
        ['common', 'common.fields', 'common.fields.ddf', 'common.fields.sampling']
    """
    package = Path(package)
    found: dict[str, Path] = {}
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        for module in accumulate(name.split("."), "{}.{}".format):
            file = _module_file(package, module) if name.partition(".")[0] == package.name else None
            if file is not None and module not in found:
                found[module] = file
                waiting += imported_names(file.read_text(encoding="utf-8"), _package_of(module, file))
    return dict(sorted(found.items()))


def imported_names(source: str, package: str = "") -> set[str]:
    """Absolute dotted names after ``import`` and ``from … import`` in a Python source.

    Args:
        source: the text.
        package: dotted name of the package that relative imports start from.

    Example:
        >>> sorted(imported_names("import numpy as np; from ..fields import ddf", "common.losses"))
        ['common.fields.ddf', 'numpy']
    """
    return {name for node in ast.walk(ast.parse(source)) for name in _names(node, package)}


def _names(node: ast.AST, package: str) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    if isinstance(node, ast.ImportFrom):
        module = resolve_name("." * node.level + (node.module or ""), package)
        yield from (f"{module}.{alias.name}" for alias in node.names)


def _module_file(package: Path, module: str) -> Path | None:
    path = package.parent.joinpath(*module.split("."))
    files = [path / "__init__.py", path.parent / f"{path.name}.py"]
    return next((file for file in files if file.is_file()), None)


def _package_of(module: str, file: Path) -> str:
    return module if file.name == "__init__.py" else module.rpartition(".")[0]
