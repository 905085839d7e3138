"""Requests that wait for each other."""

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from apps.monailabel.refusal import RefusalError


class WaitingLine:
    """Runs one piece of work after the other in a thread of its own, and refuses more than a few that wait.

    The thread does not keep the process from ending.

    Args:
        max_waiting: number of those that wait while one runs.

    Example:
        >>> WaitingLine(1).submit(sum, [1, 2]).result()
        3
    """

    def __init__(self, max_waiting: int) -> None:
        self.max_waiting = max_waiting
        self._lock = threading.Lock()
        self._count = 0
        self._queue: queue.SimpleQueue = queue.SimpleQueue()
        threading.Thread(target=self._run, name="registration", daemon=True).start()

    def submit(self, function: Callable, *args: Any) -> Future:
        """Put work at the end of the line.

        Raises:
            RefusalError: 503 where the line is full.
        """
        with self._lock:
            if self._count > self.max_waiting:
                raise RefusalError(503, f"{self.max_waiting} registrations wait already; try again later")
            self._count += 1
        future: Future = Future()
        future.add_done_callback(self._leave)
        self._queue.put((future, function, args))
        return future

    def _run(self) -> None:
        while True:
            future, function, args = self._queue.get()
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(function(*args))
            except BaseException as error:
                future.set_exception(error)

    def _leave(self, future: Future) -> None:
        with self._lock:
            self._count -= 1
