"""One registration at a time, a few that wait."""

import threading

import pytest

from apps.monailabel.refusal import RefusalError
from apps.monailabel.waiting import WaitingLine


def test_a_full_line_refuses_and_takes_again_when_someone_has_left():
    line, gate = WaitingLine(1), threading.Event()
    running, waiting = line.submit(gate.wait), line.submit(gate.wait)
    with pytest.raises(RefusalError) as error:
        line.submit(gate.wait)
    assert error.value.status == 503
    assert waiting.cancel()
    third = line.submit(gate.wait)
    gate.set()
    assert running.result()
    assert third.result()
    assert line.submit(int).result() == 0


def test_work_that_fails_leaves_the_line():
    line = WaitingLine(0)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            line.submit(lambda: 1 / 0).result()
