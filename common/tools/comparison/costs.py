"""What a registration costs."""

import time
from dataclasses import dataclass

from ...memory import peak_memory_gib


@dataclass
class Costs:
    """Seconds of a with block on the clock and of the processor, all threads together, and memory at its end.

    Example:
        >>> with Costs() as costs:
        ...     _ = sum(range(10))
        >>> list(costs.scores())
        ['seconds', 'processor_seconds', 'peak_gib']
    """

    seconds: float = 0.0
    processor_seconds: float = 0.0
    peak_gib: float = 0.0

    def __enter__(self) -> "Costs":
        self.seconds, self.processor_seconds = -time.perf_counter(), -time.process_time()
        return self

    def __exit__(self, *error: object) -> None:
        self.seconds += time.perf_counter()
        self.processor_seconds += time.process_time()
        self.peak_gib = peak_memory_gib("cpu")

    def scores(self) -> dict[str, float]:
        """Name → number; ``peak_gib`` is the most memory that the process has held so far."""
        return dict(vars(self))
