"""One folder per run, never someone else's."""

import itertools
import logging
import os
import re
from functools import partial
from pathlib import Path

import torch

from ..distributed import process_count, process_rank

_OWNER = ".owner"
FINISHED = ".finished"  # in the folder of a training that came to its end
_TRACKED_CONFIG = re.compile(r"config_\d{8}_\d{6}\.json")  # that MONAI's --tracking writes before the run begins
logger = logging.getLogger(__name__)


def run_folder(bundle_root: str, name: str = "train", resume: bool = False) -> str:
    """Folder for the outputs of a run: ``<bundle_root>/runs/<name>``, or ``<name>-2``, … where that is taken.

    A folder is taken once it holds a file, or while the process that reserved it lives. Asking again in the
    same process gives the same folder until the run has written to it. All processes of a distributed run
    get the folder of process 0.

    Args:
        bundle_root: folder of the bundle.
        name: name of the run, one path component.
        resume: whether to return the folder of that name whose training was broken off instead, or, where all have
            ended, the only one that holds files.

    Returns:
        Absolute path; the folder exists.

    Raises:
        ValueError: if ``name`` is not a plain folder name, or several runs may be meant to be resumed; names them.
        FileNotFoundError: if there is no run to resume.
        RuntimeError: if several processes were started but torch.distributed is not initialized yet.

    Example:
        >>> import tempfile
        >>> root = tempfile.mkdtemp()
        >>> folder = Path(run_folder(root, "first"))
        >>> _ = (folder / "log.txt").write_text("precious")
        >>> Path(run_folder(root, "first")).name, Path(run_folder(root, "first", resume=True)).name
        ('first-2', 'first')
    """
    if not name or name in (".", "..") or Path(name).name != name:
        raise ValueError(f"expected a run name without separators, got {name!r}")
    started = int(os.environ.get("WORLD_SIZE", "1"))
    if started > 1 and process_count() == 1:
        raise RuntimeError(f"expected torch.distributed to be initialized by all {started} processes first")
    found = [_choose(Path(bundle_root).absolute() / "runs", name, resume) if process_rank() == 0 else None]
    if process_count() > 1:
        torch.distributed.broadcast_object_list(found)
    return str(found[0])


def _choose(runs: Path, name: str, resume: bool) -> Path:
    if resume:
        return _to_resume(runs, name)
    runs.mkdir(parents=True, exist_ok=True)
    folder = next(path for path in map(partial(_numbered, runs, name), itertools.count(1)) if _reserve(path))
    if folder.name != name:
        logger.warning(f"{runs / name} holds another run; this one writes to {folder}")
    return folder


def _to_resume(runs: Path, name: str) -> Path:
    folders = [_numbered(runs, name, number) for number in sorted(_numbers(runs, name))]
    used = [folder for folder in folders if _is_used(folder)]
    broken_off = [folder for folder in used if not any(folder.rglob(FINISHED))]
    found = broken_off or used
    if not found:
        raise FileNotFoundError(f"expected a run named {name!r} to resume in {runs}, found none")
    if len(found) > 1:
        state = "broken off" if broken_off else "finished"
        names = ", ".join(folder.name for folder in found)
        raise ValueError(
            f"resume: expected one run named {name!r}, {runs} holds {len(found)} that are {state}: {names};"
            f" choose one by --run_folder, such as --run_folder {found[-1]}"
        )
    logger.info(f"resume: {found[0]} goes on")
    return found[0]


def _numbered(runs: Path, name: str, number: int) -> Path:
    return runs / (name if number == 1 else f"{name}-{number}")


def _numbers(runs: Path, name: str) -> list[int]:
    """Numbers of the existing runs of that name."""
    pattern = re.compile(re.escape(name) + r"(?:-(\d+))?")
    matches = [pattern.fullmatch(path.name) for path in runs.glob("*")]
    return [int(match[1] or 1) for match in matches if match]


def _is_used(folder: Path) -> bool:
    files = (path.name for path in folder.rglob("*") if path.is_file())
    return any(name != _OWNER and not _TRACKED_CONFIG.fullmatch(name) for name in files)


def _reserve(folder: Path) -> bool:
    """Whether the folder is now reserved for this process; an exclusively created file decides races."""
    if folder.exists() and not folder.is_dir():
        return False
    folder.mkdir(exist_ok=True)
    if _is_used(folder):
        return False
    owner = folder / _OWNER
    if owner.exists():
        text = owner.read_text(encoding="utf-8")
        if text == str(os.getpid()):
            return True
        if text.isdigit() and _is_alive(int(text)):
            return False
        owner.unlink(missing_ok=True)
    try:
        with owner.open("x") as stream:
            stream.write(str(os.getpid()))
    except FileExistsError:
        return False
    return True


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
