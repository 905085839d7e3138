"""The most memory that a process holds while a function runs."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def peak_memory_mb(function: Callable[[], Any]) -> float | None:
    """Growth of the process's memory to its highest point during one call.

    The kernel's own count, so whatever allocates is included, NumPy and compiled libraries too. What the process had
    freed but kept counts as held before: to be exact, call it once, early, in a process of its own.

    Args:
        function: to be called.

    Returns:
        MB, or None where the system does not count (only Linux does).

    Example:
        >>> round(peak_memory_mb(lambda: b"x" * 50_000_000))  # doctest: +SKIP
        50
    """
    try:
        CLEAR.write_text("5")  # sets VmHWM, the highest point so far, to what is held now
        before = _status("VmHWM")
    except OSError:
        function()
        return None
    function()
    return (_status("VmHWM") - before) / 1000


def _status(name: str) -> float:
    """An entry of the kernel's account of this process, in units of 1000 bytes."""
    return int(re.search(rf"{name}:\s+(\d+) kB", STATUS.read_text(encoding="utf-8"))[1]) * 1.024
