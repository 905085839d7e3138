"""Parts of a list: processes of torchrun, and jobs that know nothing of each other."""

import pytest

from common.commands.processes import Processes


def test_a_shard_is_every_nth_item_and_all_shards_are_the_list():
    items = list("abcdefg")
    parts = [Processes.of(f"{number}/3", True).part(items) for number in (1, 2, 3)]
    assert parts[0] == ["a", "d", "g"]
    assert sorted(item for part in parts for item in part) == items


def test_torchrun_tells_the_part(monkeypatch):
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    processes = Processes.of("", True)
    assert (processes.part("abc"), processes.is_first, processes.is_connected) == (["b"], False, True)
    with pytest.raises(ValueError, match="expected --pairs for 2 processes of torchrun, got a single pair"):
        Processes.of("", False)


def test_a_process_alone_has_everything_and_gathers_its_own():
    processes = Processes.of("", False)
    assert (processes.part("ab"), processes.is_first) == (["a", "b"], True)
    with processes:
        assert processes.gather([1], ["x"]) == ([1], ["x"])


@pytest.mark.parametrize("shard", ["0/2", "3/2", "2", "a/b", "1/2/3"])
def test_another_word_is_no_shard(shard):
    with pytest.raises(ValueError, match="shard: expected a part such as 2/10 beside --pairs, got"):
        Processes.of(shard, True)


def test_a_shard_beside_torchrun_and_a_number_are_refused(monkeypatch):
    with pytest.raises(ValueError, match="shard: expected a part such as 2/10 beside --pairs, got 2"):
        Processes.of(2, True)
    monkeypatch.setenv("WORLD_SIZE", "4")
    with pytest.raises(ValueError, match="expected either --shard 1/2 or 4 processes of torchrun, got both"):
        Processes.of("1/2", True)
