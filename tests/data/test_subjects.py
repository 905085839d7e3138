import pytest
import torch

from common.data.layouts.decathlon import decathlon_splits
from common.data.subjects import (
    DrawnPairs,
    RandomPairs,
    hippocampus_pairs,
    hippocampus_subjects,
)


def numbered(count):
    return [{"image": torch.full((1, 2, 2, 2), float(number))} for number in range(count)]


def drawn(pairs):
    return [tuple(pairs[index]["image"][:, 0, 0, 0].tolist()) for index in range(len(pairs))]


def test_pairs_are_of_different_subjects():
    assert all(fixed != moving for fixed, moving in drawn(RandomPairs(numbered(3), 50)))


def test_draw_follows_from_seed_epoch_and_index():
    pairs, again = RandomPairs(numbered(9), 20), RandomPairs(numbered(9), 20)
    again.set_epoch(1)
    assert drawn(pairs) != drawn(again)
    pairs.set_epoch(1)
    assert drawn(pairs) == drawn(again)
    assert drawn(RandomPairs(numbered(9), 20, seed=1)) != drawn(RandomPairs(numbered(9), 20))


def test_given_pairs_are_drawn_whole_and_anew_in_every_epoch():
    pairs = DrawnPairs([{"image": torch.full((2, 2, 2, 2), float(number))} for number in range(5)], 40)
    first = drawn(pairs)
    assert {fixed == moving for fixed, moving in first} == {True}
    assert len(set(first)) == 5
    pairs.set_epoch(1)
    assert drawn(pairs) != first


def test_parts_of_the_sample_population_share_no_subject():
    names = [subject["subject"] for part in ("fit", "tune", "val") for subject in hippocampus_subjects("", part)]
    assert len(names) == len(set(names)) == 12


def test_fixed_pairs_are_the_same_each_time_and_as_many_as_there_are():
    first, second = (hippocampus_pairs("", "tune", 50) for _ in range(2))
    names = [[(pair["fixed_subject"], pair["moving_subject"]) for pair in pairs] for pairs in (first, second)]
    assert names[0] == names[1]
    assert len(names[0]) == 6


@pytest.mark.data
def test_val_pairs_are_the_listed_ones_and_of_the_val_part(registration_data):
    folder = registration_data / "Task04_Hippocampus"
    pairs = hippocampus_pairs(str(folder), "val")
    names = {pair[f"{side}_subject"] for pair in pairs for side in ("fixed", "moving")}
    assert len(pairs) == 50
    assert names <= set(decathlon_splits(folder, "val"))


def test_one_subject_makes_no_pair():
    with pytest.raises(ValueError, match="expected at least 2 subjects"):
        RandomPairs(numbered(1), 5)
    with pytest.raises(ValueError, match="expected at least 1 pair"):
        DrawnPairs([], 5)
