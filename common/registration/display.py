"""A registration on the screen: a bar in a terminal, elsewhere a line at each step and every few seconds."""

import math
import sys
import time
from collections.abc import Callable
from typing import TextIO

from tqdm import tqdm

from .progress import Status

BAR = "{desc} {percentage:3.0f}%|{bar}| {postfix}"
LINE_SECONDS, BAR_SECONDS = 5.0, 0.1  # between two updates within a step


class ProgressDisplay:
    """Shows what a :class:`~.progress.Progress` tells of one pair after the other, the expected time first.

    Args:
        num_pairs: of a list; 0 for a single pair without a name.
        position: line of the bar in a terminal, for several processes.
        file: where to write; None for the standard error stream.
        clock: seconds.
    """

    def __init__(
        self,
        num_pairs: int = 0,
        position: int = 0,
        file: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.file, self.clock, self.num_pairs = file or sys.stderr, clock, num_pairs
        self._number, self._name, self._step, self._is_expected = 0, "", "", False
        self._started = self._shown = clock()
        self._bar: tqdm | None = None
        if self.file.isatty():
            self._bar = tqdm(total=1.0, bar_format=BAR, position=position, dynamic_ncols=True, file=self.file)

    def __enter__(self) -> "ProgressDisplay":
        return self

    def __exit__(self, *error: object) -> None:
        if self._bar is not None:
            self._bar.n = self._bar.n if error[0] else 1.0
            self._bar.set_postfix_str("")
            self._bar.close()

    def pair(self, name: str) -> None:
        """Begin the next pair."""
        self._number += 1
        self._name = f"{name} ({self._number}/{self.num_pairs}): " if self.num_pairs else ""
        self._started, self._step, self._is_expected = self.clock(), "", False

    def __call__(self, status: Status) -> None:
        """Show where the pair is, if it is a new step or some time has passed."""
        now, is_new_step = self.clock(), status.step != self._step
        if not is_new_step and now - self._shown < (BAR_SECONDS if self._bar is not None else LINE_SECONDS):
            return
        self._shown, self._step = now, status.step
        is_known = math.isfinite(status.seconds_left)
        besides = f" beside the {status.besides}" if status.besides else ""
        if is_known and not self._is_expected:
            self._is_expected = True
            self.write(f"{self._name}about {duration(status.seconds_left)} on this machine{besides}")
        left = f", {duration(status.seconds_left)} left{besides}" if is_known and status.share > 0 else ""
        if self._bar is None:
            self.write(f"{self._name}{duration(now - self._started)}: {status}{left}")
        else:
            self._bar.n = status.share
            self._bar.set_description_str(f"{self._name}{status}", refresh=False)
            self._bar.set_postfix_str(left.removeprefix(", "), refresh=True)

    def write(self, text: str, file: TextIO | None = None) -> None:
        """Write a line above the bar."""
        tqdm.write(text, file or self.file)
        (file or self.file).flush()


def duration(seconds: float) -> str:
    """A time as it is said.

    Example:
        >>> duration(40.2), duration(400), duration(9000)
        ('40 s', '7 min', '2.5 h')
    """
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
