"""Where a registration computes."""

import torch


def usable_device(name: str) -> str:
    """The name of a device that is there, or of a GPU where there is one for an empty name.

    Raises:
        ValueError: for a device that PyTorch does not know or cannot use; names those that are there.

    Example:
        >>> usable_device("cpu")
        'cpu'
    """
    count = torch.cuda.device_count()
    name = str(name) or ("cuda:0" if count else "cpu")
    try:
        torch.zeros(1, device=name).item()
    except (RuntimeError, AssertionError) as error:
        known = ", ".join(["cpu", *(f"cuda:{number}" for number in range(count))])
        raise ValueError(f"device: expected one of {known}, got {name!r}") from error
    return name
