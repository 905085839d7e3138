"""Seeded splits without a subject on two sides."""

import pytest

from common.data.splits import fold_subjects, held_out_split, select_subjects, split_subjects

ITEMS = [{"subject": f"s{number:02d}", "scan": scan} for number in range(20) for scan in "ab"]


def names(items):
    return {item["subject"] for item in items}


def test_counts_and_fractions_set_the_number_of_subjects():
    counts = split_subjects(ITEMS, {"fit": 14, "tune": 2, "val": 4})
    fractions = split_subjects(ITEMS, {"fit": 0.7, "tune": 0.1, "val": 0.2})
    assert [len(names(part)) for part in counts.values()] == [14, 2, 4]
    assert fractions == counts


@pytest.mark.parametrize("num_subjects", [3, 5, 7, 11, 210])
def test_fractions_that_sum_to_one_leave_no_subject_out(num_subjects):
    items = [{"subject": f"{number}"} for number in range(num_subjects)]
    parts = split_subjects(items, {"fit": 0.34, "tune": 0.33, "val": 0.33})
    assert sum(len(part) for part in parts.values()) == num_subjects


def test_no_subject_stands_on_two_sides_and_its_items_stay_together():
    parts = split_subjects(ITEMS, {"fit": 0.7, "val": 0.3}, seed=3)
    assert not names(parts["fit"]) & names(parts["val"])
    assert len(parts["fit"]) + len(parts["val"]) == len(ITEMS)


def test_the_seed_decides_and_the_order_of_the_items_does_not():
    sizes = {"fit": 0.5, "val": 0.5}
    first = split_subjects(ITEMS, sizes, seed=1)
    assert names(first["fit"]) == names(split_subjects(ITEMS[::-1], sizes, seed=1)["fit"])
    assert names(first["fit"]) != names(split_subjects(ITEMS, sizes, seed=2)["fit"])


def test_the_folds_partition_the_subjects():
    folds = [fold_subjects(ITEMS, 6, fold, seed=1) for fold in range(6)]
    held_out = [name for fold in folds for name in names(fold["val"])]
    assert sorted(held_out) == sorted(names(ITEMS))
    assert all(not names(fold["fit"]) & names(fold["val"]) for fold in folds)
    assert {len(names(fold["val"])) for fold in folds} == {3, 4}


def test_listed_subjects_are_selected_in_the_order_of_the_items():
    assert [item["subject"] for item in select_subjects(ITEMS, ["s03", "s01"])] == ["s01", "s01", "s03", "s03"]


@pytest.mark.parametrize("fold", [-1, 5])
def test_a_fold_out_of_range_is_refused(fold):
    with pytest.raises(ValueError, match=f"fold: expected 0 to 4 for 5 folds, got {fold}"):
        fold_subjects(ITEMS, 5, fold)


def test_more_folds_than_subjects_are_refused():
    with pytest.raises(ValueError, match="num_folds: expected 2 to 20"):
        fold_subjects(ITEMS, 21, 0)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"fit": 20, "val": 1}, "at most 20 subjects"),
        ({"fit": 0.9, "val": 0.2}, "at most 20 subjects"),
        ({"fit": 0.5, "val": 3}, "only counts or only fractions"),
        ({"fit": 0.99, "val": 0.001}, "at least one of 20 subjects in each part, got none for val"),
        ({}, "only counts or only fractions"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(sizes, message):
    with pytest.raises(ValueError, match=message):
        split_subjects(ITEMS, sizes)


def test_an_unknown_subject_is_refused():
    with pytest.raises(ValueError, match="got s99"):
        select_subjects(ITEMS, ["s99"])


def test_named_subjects_are_held_out_and_all_others_fit():
    items = [{"subject": name} for name in "abca"]
    split = held_out_split(items, ["a", "c"])
    assert [item["subject"] for item in split["val"]] == ["a", "c", "a"]
    assert [item["subject"] for item in split["fit"]] == ["b"]


def test_a_text_in_place_of_a_list_of_names_is_refused():
    with pytest.raises(ValueError, match=r"val_subjects: expected a list of names, such as \['a'\], got 'a'"):
        held_out_split(ITEMS, "a")


@pytest.mark.parametrize("share", [0.0, 1, 1.0, -0.5])
def test_a_share_out_of_range_is_refused(share):
    with pytest.raises(ValueError, match="val_fraction: expected a share between 0 and 1, got"):
        held_out_split(ITEMS, val_fraction=share)


def test_holding_out_all_subjects_is_refused():
    with pytest.raises(ValueError, match="leave a subject to train on"):
        held_out_split([{"subject": "a"}], ["a"])
