"""The queue of a table: one stage of a cell at a time, and one process at a time."""

import fcntl
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ...files import write_json

_POLL_SECONDS = 0.2
_NOTE_SECONDS = 5.0


class StageError(RuntimeError):
    """A stage of a cell failed; the message says which and why."""


def run_stage(config_folder: Path, stage: str, files: Sequence[str], overrides: Mapping[str, Any]) -> None:
    """Run one config in a process of its own, in the bundle's folder; show its log, add up its seconds.

    In the folder ``overrides["output_dir"]`` are left ``<stage>_arguments.json`` (what was run),
    ``<stage>.log`` and, for all stages, ``seconds.json``.

    Args:
        config_folder: folder of the bundle's configs.
        stage: name of the stage.
        files: config files, merged in order.
        overrides: config entry → value, with "output_dir".

    Raises:
        StageError: if the process ends with an error; the message holds the last exception of its log.
    """
    output = Path(overrides["output_dir"])
    arguments = {"config_file": [str(config_folder / name) for name in files], "run_id": "run"}
    write_json(output / f"{stage}_arguments.json", arguments | overrides)
    command = [sys.executable, "-m", "monai.bundle", "run", "--args_file", str(output / f"{stage}_arguments.json")]
    log, seconds_file = output / f"{stage}.log", output / "seconds.json"
    seconds = json.loads(seconds_file.read_text(encoding="utf-8")) if seconds_file.is_file() else {}
    before, begin, noted = seconds.get(stage, 0.0), time.monotonic(), 0.0
    with log.open("wb") as writer, log.open("rb") as reader:
        process = subprocess.Popen(
            command, stdout=writer, stderr=subprocess.STDOUT, cwd=config_folder.parent, close_fds=False
        )
        try:
            for _ in _until_ended(process):
                sys.stdout.write(reader.read().decode(errors="replace"))
                sys.stdout.flush()
                elapsed = time.monotonic() - begin
                if elapsed - noted > _NOTE_SECONDS or process.poll() is not None:
                    write_json(seconds_file, seconds | {stage: before + elapsed})
                    noted = elapsed
        finally:
            process.terminate()
            process.wait()
    if process.returncode:
        raise StageError(f"{stage} ended with status {process.returncode}: {_reason(log)} (see {log})")


def _until_ended(process: subprocess.Popen) -> Iterator[None]:
    while process.poll() is None:
        yield
        time.sleep(_POLL_SECONDS)
    yield


def _reason(log: Path) -> str:
    """First exception in the log, which is the cause of those that wrap it; else the last line."""
    lines = log.read_text(errors="replace").strip().splitlines() or ["no output"]
    exceptions = [line for line in lines if re.match(r"[\w.]+(Error|Exception|Interrupt)\b", line)]
    return exceptions[0] if exceptions else lines[-1]


@contextmanager
def exclusive(folder: Path, wait: bool = False) -> Iterator[bool]:
    """Whether this process now owns a folder, for the length of a with block.

    The kernel frees the lock when its last holder ends, however it ends, so there are no stale locks. Processes
    started inside the block inherit it: a training that outlives a killed queue keeps its cell. The process
    number in the file ``.lock`` is for the reader.

    Args:
        folder: created where missing.
        wait: until no other process owns it.

    Yields:
        True for the owner, False where another process owns the folder.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> with exclusive(folder) as first, exclusive(folder) as second:
        ...     print(first, second)
        True False
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("a+") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
            return
        stream.truncate(0)
        stream.write(f"{os.getpid()}\n")
        stream.flush()
        os.set_inheritable(stream.fileno(), True)
        yield True
