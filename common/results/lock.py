"""A folder that one process at a time works in."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def exclusive(folder: Path) -> Iterator[bool]:
    """Whether this process now owns a folder, for the length of a with block.

    The kernel frees the lock when its last holder ends, however it ends, so there are no stale locks. Processes
    started inside the block inherit it: a training that outlives a killed queue keeps its cell. The process
    number in the file ``.lock`` is for the reader.

    Args:
        folder: created where missing.

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
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        stream.truncate(0)
        stream.write(f"{os.getpid()}\n")
        stream.flush()
        os.set_inheritable(stream.fileno(), True)
        yield True
