"""A tool in a process of its own, with a number of threads, so that its seconds and its memory are its own."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.managers import BaseManager
from typing import Any, Protocol

import torch
from monai.data import MetaTensor

from .costs import Costs
from .image_pair import ImagePair

THREADS = ("OMP_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS")  # read when the libraries are loaded


class Tool(Protocol):
    """Registers a pair of images.

    Attributes:
        settings: name → value of all that determines its results.
        costs: of its last registration, without the conversion of images and field.
    """

    settings: dict[str, Any]
    costs: Costs

    def __call__(self, images: ImagePair) -> MetaTensor:
        """Field on the grid of the pair, (3, X, Y, Z), RAS mm."""


class ServedTool:
    """What the other process holds."""

    def start(self, make_tool: Callable[[], Tool], num_threads: int) -> dict[str, Any]:
        """Make the tool, and give its settings."""
        torch.set_num_threads(num_threads)
        self.tool = make_tool()
        return {**self.tool.settings, "num_threads": num_threads}

    def register(self, images: ImagePair) -> tuple[MetaTensor, dict[str, float]]:
        """Field of a pair, and what it cost."""
        field_mm = self.tool(images)
        return field_mm, self.tool.costs.scores()


class _Manager(BaseManager):
    pass


_Manager.register("ServedTool", ServedTool)


@contextmanager
def own_process(num_threads: int) -> Iterator[ServedTool]:
    """A :class:`ServedTool` in a fresh process, which ends with the block.

    Args:
        num_threads: of torch and ITK in it.
    """
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, str(num_threads)))
    try:
        with _Manager(ctx=get_context("spawn")) as manager:
            yield manager.ServedTool()
    finally:
        os.environ.update({name: value for name, value in before.items() if value is not None})
