"""Median seconds of functions that are called in turn."""

import statistics
import time
from collections.abc import Callable, Mapping


def median_seconds(
    rows: Mapping[str, Callable], repeats: int, clock: Callable[[], float] = time.process_time
) -> dict[str, float]:
    """Name → median over rounds that call each function once, after one round to warm up.

    Args:
        rows: name → function.
        repeats: rounds.
        clock: time.process_time counts what all threads of the process take together, whatever else the machine does;
            time.perf_counter what a user waits.

    Example:
        >>> ticks = iter([0, 1, 2, 5, 8])  # the first of three rounds is not counted
        >>> median_seconds({"f": int}, 2, clock=lambda: next(ticks))
        {'f': 2.0}
    """
    seconds: dict[str, list[float]] = {name: [] for name in rows}
    for number in range(repeats + 1):
        for name, function in rows.items():
            started = clock()
            function()
            if number:
                seconds[name].append(clock() - started)
    return {name: statistics.median(values) for name, values in seconds.items()}
