"""The most memory that this process has held."""

import platform
import resource

import torch


def peak_memory_gib(device: str = "") -> float:
    """GiB held at most so far.

    Args:
        device: "cpu" for the process, "cuda" for its tensors on the current GPU; "" for the GPU where there is one.
    """
    if (device or ("cuda" if torch.cuda.is_available() else "cpu")) == "cuda":
        return torch.cuda.max_memory_allocated() / 2**30
    bytes_per_unit = 1 if platform.system() == "Darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * bytes_per_unit / 2**30
