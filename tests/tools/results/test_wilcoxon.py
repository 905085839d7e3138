import itertools

import pytest

from common.tools.results.wilcoxon import signed_rank_p


def test_p_is_the_share_of_signs_with_rank_sums_as_far_from_the_middle():
    differences = [0.3, -0.1, 0.7, 0.9, 0.4, -0.2]  # ranks 3, 1, 5, 6, 4, 2: those of positive ones sum to 18
    scores = {f"pair {k}": value for k, value in enumerate(differences)}
    sums = [
        sum(rank for rank, sign in zip(range(1, 7), signs, strict=True) if sign)
        for signs in itertools.product((0, 1), repeat=6)
    ]
    as_far = sum(abs(total - 10.5) >= abs(18 - 10.5) for total in sums)
    assert signed_rank_p(scores, dict.fromkeys(scores, 0.0)) == pytest.approx(as_far / 64)


def test_only_shared_items_count_and_equal_rows_have_p_one():
    assert signed_rank_p({"a": 0.5, "b": 0.9}, {"a": 0.5, "c": 0.1}) == 1.0


def test_rows_without_a_shared_item_are_an_error():
    with pytest.raises(ValueError, match="expected rows with items in common, got 1 and 2"):
        signed_rank_p({"a": 0.5}, {"b": 0.5, "c": 0.4})
