import os
from functools import partial

import pytest
import torch

from common.tools.comparison.costs import Costs
from common.tools.comparison.other_tools import OtherTool
from common.tools.comparison.own_process import own_process


class Spy:
    """A tool that tells about its process."""

    def __init__(self):
        self.settings, self.costs = (
            {"process": os.getpid(), "itk": os.environ["ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"]},
            Costs(),
        )

    def __call__(self, images):
        with self.costs:
            sum(range(10**6))
        return torch.tensor(torch.get_num_threads())


def test_the_tool_has_a_process_and_threads_of_its_own(blob_pair, monkeypatch):
    monkeypatch.setenv("ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS", "1")
    with own_process(3) as served:
        settings = served.start(Spy, 3)
        num_threads, costs = served.register(blob_pair.images)
    assert settings.pop("process") != os.getpid()
    assert settings == {"itk": "3", "num_threads": 3}
    assert num_threads == 3
    assert 0 < costs["processor_seconds"] < 5
    assert 0.05 < costs["peak_gib"] < 5
    assert os.environ["ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"] == "1"


def test_what_a_tool_refuses_is_raised_here(blob_pair):
    with own_process(1) as served, pytest.raises(KeyError, match="unheard_of"):
        served.start(partial(OtherTool, "unheard_of"), 1)
