"""How far a registration is, for whoever waits for it."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

TRUST = 0.1  # weight of what was expected, as a share of the work


@dataclass(frozen=True)
class Status:
    """Where a registration is.

    Attributes:
        step: "reading", "affine", "bundle", "search", "refinement" or "writing"; or what else is told of the pair.
        level: of the step, from 1; 0 before the first, or where it has none.
        num_levels: of the step.
        iteration: of the level, from 1; 0 before the first.
        num_iterations: of the level, at most.
        value: similarity or loss of the iteration; NaN where there is none.
        share: of the expected work that is done, in [0, 1].
        seconds_left: expected; NaN where nothing is known.
        besides: step that will take time of which nothing is known, until it is done; or "".

    Example:
        >>> str(Status("refinement", level=2, num_levels=3, iteration=14, num_iterations=60))
        'refinement, level 2 of 3, iteration 14 of 60'
    """

    step: str
    level: int = 0
    num_levels: int = 0
    iteration: int = 0
    num_iterations: int = 0
    value: float = math.nan
    share: float = 0.0
    seconds_left: float = math.nan
    besides: str = ""

    def __str__(self) -> str:
        level = f", level {self.level} of {self.num_levels}" if self.level and self.num_levels > 1 else ""
        iteration = f", iteration {self.iteration} of {self.num_iterations}" if self.iteration else ""
        return self.step + level + iteration


@dataclass(frozen=True)
class Part:
    """Work that is expected: a step, or one level of it.

    Args:
        step: name of the step.
        level: from 0.
        num_iterations: at most.
        expected_iterations: where a level ends early as a rule, about as many as it takes.
        seconds_per_iteration: expected.
    """

    step: str
    level: int = 0
    num_iterations: int = 1
    expected_iterations: int = 1
    seconds_per_iteration: float = 0.0

    @property
    def seconds(self) -> float:
        """Expected seconds of the part."""
        return self.expected_iterations * self.seconds_per_iteration


class Progress:
    """Tells each step and iteration of a registration, with the time that it may still take.

    What was expected is corrected by the time that the work has taken so far; it counts like a tenth of the work.
    Time of steps of which nothing is expected does not count.

    Args:
        tell: called with a :class:`Status`, and may raise to end the work; None for silence.
        clock: seconds.

    Example:
        >>> times = iter([0.0, 0.0, 0.0, 4.0])  # the affine step takes twice as long as expected
        >>> progress = Progress(lambda status: print(status, round(status.seconds_left)), times.__next__)
        >>> progress.expect([Part("affine", seconds_per_iteration=2.0), Part("writing", seconds_per_iteration=1.0)])
        >>> progress.begin("affine")
        affine 3
        >>> progress.begin("writing")
        writing 2
    """

    def __init__(
        self, tell: Callable[[Status], None] | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.tell, self.clock = tell, clock
        self._parts: list[Part] = []
        self._status, self._besides = Status(""), ""
        self._seconds = self._done = 0.0
        self._last = clock()

    @property
    def is_silent(self) -> bool:
        """Whether nobody listens, so that nothing need be expected."""
        return self.tell is None

    @property
    def listener(self) -> Callable[[int, int, float], None] | None:
        """:meth:`on_iteration`; None where nobody listens, so that no value need be fetched from a GPU."""
        return None if self.is_silent else self.on_iteration

    def expect(self, parts: Sequence[Part], besides: str = "") -> None:
        """Replace what is expected from here on.

        Args:
            parts: in the order in which they will come.
            besides: a step that will come too, of which nothing is expected; "" for none.
        """
        self._besides = besides
        self._parts, self._last = list(parts), self.clock()
        self._seconds = self._done = 0.0

    def begin(self, step: str) -> None:
        """Tell that a step begins."""
        if self._status.step == self._besides:
            self._besides = ""
        self._to(Status(step, num_levels=sum(part.step == step for part in self._parts)))

    def on_iteration(self, level: int, iteration: int, value: float = math.nan) -> None:
        """Tell an iteration of the step that was begun last.

        Args:
            level: from 0.
            iteration: from 0.
            value: similarity or loss.
        """
        part = self._part(level)
        most = part.num_iterations if part else 0
        status = replace(self._status, level=level + 1, iteration=iteration + 1, value=value)
        self._to(replace(status, num_iterations=max(most, iteration + 1)))

    def _to(self, status: Status) -> None:
        now = self.clock()
        if any(part.step == self._status.step for part in self._parts):
            self._seconds += now - self._last
        self._status, self._last = status, now
        self._done = max(self._done, self._seconds_before())
        if self.tell is not None:
            total = sum(part.seconds for part in self._parts)
            rate = (self._seconds + TRUST * total) / (self._done + TRUST * total) if total else math.nan
            share = self._done / total if total else 0.0
            left = (total - self._done) * rate
            self.tell(replace(status, share=share, seconds_left=left, besides=self._besides))

    def _part(self, level: int) -> Part | None:
        return next((part for part in self._parts if (part.step, part.level) == (self._status.step, level)), None)

    def _seconds_before(self) -> float:
        """Expected seconds of the parts before the one at work, and of its iterations that are done."""
        current = self._part(max(self._status.level - 1, 0))
        if current is None:
            return 0.0
        before = sum(part.seconds for part in self._parts[: self._parts.index(current)])
        iterations = min(max(self._status.iteration - 1, 0), current.expected_iterations)
        return before + iterations * current.seconds_per_iteration
