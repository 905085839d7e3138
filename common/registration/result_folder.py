"""The folder of one result: what it holds, what may be written into it, and replacing all of it at the end."""

import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from .outputs import METRICS_FILE

try:
    import fcntl
except ImportError:  # Windows has other locks
    fcntl = None  # type: ignore[assignment]

UNFINISHED = ".unfinished"  # folder of the new files; where a run was killed, it stays and tells so


def read_result(folder: Path) -> dict[str, Any] | None:
    """Content of metrics.json where it is one of a registration, else None."""
    try:
        metrics = json.loads((folder / METRICS_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    files = metrics.get("files") if isinstance(metrics, dict) else None
    if not isinstance(files, list) or METRICS_FILE not in files or not isinstance(metrics.get("settings"), dict):
        return None
    return metrics if all(isinstance(name, str) and Path(name).name == name for name in files) else None


def is_complete(folder: Path, metrics: Mapping[str, Any]) -> bool:
    """Whether all files that a metrics.json names are there, and a verdict, which results of old versions lack."""
    return "verdict" in metrics and all((folder / name).is_file() for name in metrics["files"])


def check_writable(folder: Path, names: Iterable[str], inputs: Iterable[str], may_replace: bool) -> None:
    """Refuse a folder before any work: what would be lost, and what cannot be written.

    Args:
        folder: of the result; need not exist.
        names: files that will be written.
        inputs: files of the pair, which are never replaced.
        may_replace: whether files of these names may be replaced; those of a killed registration always may.

    Raises:
        ValueError: where one of the files, or of the result that they replace, is an input.
        FileExistsError: where the folder holds such files, not of a registration.
        NotADirectoryError: where a file is in the way of the folder.
        PermissionError: where the folder cannot be written.
    """
    names = list(names)
    old = read_result(folder)
    written = {(folder / name).resolve() for name in [*names, *(old["files"] if old else [])]}
    for path in inputs:
        if Path(path).resolve() in written:
            raise ValueError(f"{folder}: expected a folder in which no result replaces an input, got that of {path}")
    existing = [name for name in names if os.path.lexists(folder / name)]
    if existing and not may_replace and not (folder / UNFINISHED).is_dir():
        raise FileExistsError(
            f"{folder}: expected an empty folder or results of the same command, got files without their"
            f" metrics.json ({', '.join(existing)}); --overwrite replaces them"
        )
    existing_folder = next(path for path in (folder.absolute(), *folder.absolute().parents) if os.path.lexists(path))
    if not existing_folder.is_dir():
        raise NotADirectoryError(f"output_dir: expected a folder, got the file {existing_folder}")
    if not os.access(existing_folder, os.W_OK | os.X_OK):
        raise PermissionError(f"output_dir: expected a folder that can be written, got {existing_folder}")


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """A folder that no other program writes a result into, such as a worker that outlived its killed run.

    Waits for the other program; where the file system has no locks of folders, it is not waited for.

    Args:
        folder: must exist; nothing is left in it.
    """
    descriptor = os.open(folder, os.O_RDONLY) if fcntl else -1
    try:
        with suppress(OSError, AttributeError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        if fcntl:
            os.close(descriptor)


def replace_result(folder: Path, write: Callable[[Path], dict[str, Any]]) -> dict[str, Any]:
    """Write a result beside the old one, then put it in the place of that, metrics.json last.

    Args:
        folder: of the result; created where missing.
        write: writes all files into a folder and returns the content of metrics.json.

    Returns:
        Content of metrics.json.

    Raises:
        OSError: where the files cannot be written; the old ones are then untouched, and a new folder is removed.
    """
    is_new_folder = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder):
        folder.mkdir(exist_ok=True)  # one that failed meanwhile may have removed it
        metrics = _write_beside(folder, write, is_new_folder)
        old = read_result(folder) or {"files": []}
        stale = set(old["files"]) - set(metrics["files"])
        for name in [*sorted(stale), METRICS_FILE]:
            (folder / name).unlink(missing_ok=True)
        for name in metrics["files"]:
            os.replace(folder / UNFINISHED / name, folder / name)
        (folder / UNFINISHED).rmdir()
    return metrics


def _write_beside(folder: Path, write: Callable[[Path], dict[str, Any]], is_new_folder: bool) -> dict[str, Any]:
    """The new files in a folder of their own; where that fails, all is as it was."""
    new = folder / UNFINISHED
    was_killed = new.is_dir()
    shutil.rmtree(new, ignore_errors=True)
    try:
        new.mkdir()
        return write(new)
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        if was_killed:
            new.mkdir()
        if is_new_folder:
            with suppress(OSError):  # another one has written into it
                folder.rmdir()
        raise
