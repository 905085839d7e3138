"""The most memory that this process has held, and what is said where it does not suffice."""

import platform
import re
import resource
from pathlib import Path

import torch

STATUS = Path("/proc/self/status")  # of Linux


def peak_memory_gib(device: str = "") -> float:
    """GiB held at most so far.

    On Linux that of this program alone: the kernel's ru_maxrss survives exec, so a child has at least its parent's.

    Args:
        device: "cpu" for the process, "cuda" for its tensors on the current GPU; "" for the GPU where there is one.
    """
    if (device or ("cuda" if torch.cuda.is_available() else "cpu")) == "cuda":
        return torch.cuda.max_memory_allocated() / 2**30
    if STATUS.is_file():
        return int(re.search(r"VmHWM:\s*(\d+) kB", STATUS.read_text(encoding="utf-8"))[1]) / 2**20
    bytes_per_unit = 1 if platform.system() == "Darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * bytes_per_unit / 2**30


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error of Python, NumPy or torch says that there was not enough memory, on the CPU or a GPU.

    Example:
        >>> is_out_of_memory(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes."))
        True
    """
    kinds = MemoryError | torch.OutOfMemoryError
    return isinstance(error, kinds) or (isinstance(error, RuntimeError) and "allocate memory" in str(error))


def memory_sentence(error: BaseException) -> str:
    """One line for such an error.

    Example:
        >>> memory_sentence(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes."))
        'not enough memory: 8 bytes more were asked for; images of fewer voxels, or --spacing_mm, need less'
    """
    text = str(error)
    found = re.search(r"(?:allocate|[Aa]llocating) ([\d.]+ ?(?:bytes|[KMGT]iB))", text)
    asked = f"{found[1]} more were asked for; " if found else ""
    return f"not enough memory: {asked}images of fewer voxels, or --spacing_mm, need less"
