"""A list of pairs over several processes of torchrun, or over jobs that know nothing of each other."""

import datetime
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

LONGEST_WAIT = datetime.timedelta(days=30)  # of one process for the others' last pairs


@dataclass(frozen=True)
class Processes:
    """Which part of a list this process takes; as a context, its place among the others of torchrun.

    Args:
        number: of this part, from 0.
        count: of parts.
        is_connected: whether the others are processes of torchrun, and not jobs of their own.
    """

    number: int = 0
    count: int = 1
    is_connected: bool = False

    @classmethod
    def of(cls, shard: str, has_list: bool) -> "Processes":
        """From --shard, or from what torchrun has set.

        Args:
            shard: such as 2/10; empty for none.
            has_list: whether there is a list to share.

        Raises:
            ValueError: for another form of ``shard``, one beside torchrun, or nothing to share.

        Example:
            >>> Processes.of("2/10", True).number
            1
        """
        found = re.fullmatch(r"(\d+)/(\d+)", str(shard))
        if shard and not (has_list and found and 1 <= int(found[1]) <= int(found[2])):
            raise ValueError(f"shard: expected a part such as 2/10 beside --pairs, got {shard!r}")
        count = int(os.environ.get("WORLD_SIZE", 1))
        if found and count > 1:
            raise ValueError(f"expected either --shard {shard} or {count} processes of torchrun, got both")
        if found:
            return cls(int(found[1]) - 1, int(found[2]))
        if count > 1 and not has_list:
            raise ValueError(f"expected --pairs for {count} processes of torchrun, got a single pair")
        return cls(cls.rank(), count, count > 1)

    @staticmethod
    def rank() -> int:
        """Number of this process among those of torchrun."""
        return int(os.environ.get("RANK", 0))

    @property
    def is_first(self) -> bool:
        """Whether this process speaks for all."""
        return not self.is_connected or self.number == 0

    def part(self, items: Sequence[Any]) -> list[Any]:
        """Every ``count``-th of some items."""
        return list(items[self.number :: self.count])

    def gather(self, *lists: list) -> tuple[list, ...]:
        """Each list with those of all processes; torchrun would end the others as soon as one of them failed."""
        if not self.is_connected:
            return lists
        found: list = [None] * self.count
        torch.distributed.all_gather_object(found, lists)
        return tuple([item for part in parts for item in part] for parts in zip(*found, strict=True))

    def __enter__(self) -> None:
        if self.is_connected:
            torch.distributed.init_process_group("gloo", timeout=LONGEST_WAIT)

    def __exit__(self, *error: object) -> None:
        if self.is_connected:
            torch.distributed.destroy_process_group()
