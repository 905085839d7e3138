"""The choice between the paper's grid and run length and those of the sample population."""

import logging
from functools import cache
from typing import Any

logger = logging.getLogger(__name__)


def paper_or_sample(name: str, paper: Any, sample: Any, dataset_dir: str) -> Any:
    """Value of a scalar that the paper's data and the sample population need differently; logs which is
    taken.

    Args:
        name: of the scalar, for the log.
        paper: value for a real data set.
        sample: value for the sample population.
        dataset_dir: folder of the real data set; empty selects the sample population.

    Returns:
        ``paper`` where ``dataset_dir`` is not empty, else ``sample``.

    Example:
        >>> paper_or_sample("max_epochs", 100, 3, dataset_dir="")
        3
        >>> paper_or_sample("max_epochs", 100, 3, dataset_dir="data/Task04_Hippocampus")
        100
    """
    source, value = ("paper", paper) if dataset_dir else ("sample population", sample)
    _log_choice(name, source, repr(value))
    return value


@cache
def _log_choice(name: str, source: str, value: str) -> None:
    """Cached, so that a value that several components refer to is logged once."""
    logger.info("%s = %s (%s)", name, value, source)
