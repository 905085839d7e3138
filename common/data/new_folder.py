"""A folder that appears complete or not at all."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def new_folder(path: str | Path) -> Iterator[Path]:
    """Yields a temporary folder beside ``path`` and renames it to ``path`` when the block ends without an
    error.

    Args:
        path: a folder that does not exist yet.

    Yields:
        The folder to write into.

    Raises:
        FileExistsError: ``path`` exists.

    Example:
        >>> with tempfile.TemporaryDirectory() as parent:
        ...     with new_folder(f"{parent}/data") as folder:
        ...         _ = (folder / "a.txt").write_text("a")
        ...     Path(parent, "data", "a.txt").is_file()
        True
    """
    path = Path(path).expanduser()
    if path.exists():
        raise FileExistsError(f"expected a folder that does not exist yet, got {path}")
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as parent:
        partial = Path(parent) / path.name
        partial.mkdir()
        yield partial
        partial.rename(path)
