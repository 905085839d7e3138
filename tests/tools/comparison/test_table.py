import pytest

from common.tools.comparison.table import comparison_table
from common.tools.results.record import columns, write_row


def write(folder, tool, dice, count=2):
    rows = [
        {
            "item": f"a {k}",
            "dice": dice + 0.1 * k,
            "hd95_mm": 3.0,
            "folding_fraction": 0.001,
            "processor_seconds": x,
        }
        for k, x in zip(range(count), (9.0, 1.0, 2.0), strict=False)
    ]
    write_row(folder / "hands-val.json", tool, {"title": tool, "scores": columns(rows)})


def test_results_of_a_list_are_sorted_by_dice(tmp_path):
    write(tmp_path, "bad", 0.8)
    write(tmp_path, "worse", 0.5)
    lines = comparison_table(tmp_path / "hands-val.json").splitlines()
    assert [line.split()[1] for line in lines[2:]] == ["worse", "bad"]


def test_line_holds_means_and_the_median_of_the_processor_seconds(tmp_path):
    write(tmp_path, "tool", 0.5, count=3)
    table = comparison_table(tmp_path / "hands-val.json")
    assert (
        table.splitlines()[0]
        == "| 3 pairs | Dice | HD95 (mm) | folds (%) | processor seconds | seconds | memory (GiB) |"
    )
    assert table.splitlines()[2] == "| tool | 0.600 ± 0.100 | 3.00 ± 0.00 | 0.1000 | 2.00 | – | – |"


def test_unfinished_tool_says_so(tmp_path):
    write(tmp_path, "slow", 0.5, count=2)
    write(tmp_path, "tool", 0.5, count=3)
    table = comparison_table(tmp_path / "hands-val.json")
    assert "| slow (2 pairs) |" in table
    assert "| tool |" in table


def test_errors_in_mm_come_first_and_rank_the_tools(tmp_path):
    for tool, error, dice in (("near", 0.5, 0.8), ("far", 2.0, 0.9)):
        scores = {"item": ["head-0"], "error_mm": [error], "dice": [dice], "peak_gib": [1.5]}
        write_row(tmp_path / "heads.json", tool, {"title": tool, "scores": scores})
    lines = comparison_table(tmp_path / "heads.json").splitlines()
    assert lines[0] == "| 1 pairs | error (mm) | Dice | processor seconds | seconds | memory (GiB) |"
    assert lines[2:] == [
        "| far | 2.000 ± 0.000 | 0.900 ± 0.000 | – | – | 1.50 |",
        "| near | 0.500 ± 0.000 | 0.800 ± 0.000 | – | – | 1.50 |",
    ]


def test_repeats_are_no_further_pairs(tmp_path):
    rows = [{"item": item, "dice": 0.5, "seconds": x} for item, x in (("a b", 1.0), ("a b #2", 3.0), ("a b #3", 2.0))]
    write_row(tmp_path / "hands-val.json", "tool", {"title": "tool", "scores": columns(rows)})
    lines = comparison_table(tmp_path / "hands-val.json").splitlines()
    assert lines[0].startswith("| 1 pairs |")
    assert lines[2] == "| tool (3 runs) | 0.500 ± 0.000 | – | 2.00 | – |"


def test_signed_ranks_of_each_row_against_the_best(tmp_path):
    write(tmp_path, "top", 0.7, count=3)
    write(tmp_path, "worse", 0.5, count=3)  # behind on 3 of 3 pairs: 2 of the 2³ signs are as far from the middle
    lines = comparison_table(tmp_path / "hands-val.json", against="best").splitlines()
    assert "| p against top |" in lines[0]
    assert [line.split(" | ")[4] for line in lines[2:]] == ["0.25", "–"]


def test_rows_without_the_tested_score_or_a_shared_pair_have_no_p(tmp_path):
    write(tmp_path, "top", 0.7, count=3)
    others = {
        "no Dice": {"item": ["a 0", "a 1", "a 2"], "hd95_mm": [3.0] * 3},
        "unknown Dice": {"item": ["a 0", "a 1", "a 2"], "dice": [None] * 3, "hd95_mm": [3.0] * 3},
        "other pairs": {"item": ["b 0", "b 1", "b 2"], "dice": [0.5] * 3},
    }
    for name, scores in others.items():
        write_row(tmp_path / "hands-val.json", name, {"title": name, "scores": scores})
    lines = [line.split(" | ") for line in comparison_table(tmp_path / "hands-val.json", against="best").splitlines()]
    found = {line[0].removeprefix("| "): (line[1], line[4]) for line in lines[2:]}
    dashes = {"no Dice": ("–", "–"), "unknown Dice": ("–", "–")}
    assert found == dashes | {"other pairs": ("0.500 ± 0.000", "–"), "top": ("0.800 ± 0.100", "–")}


def test_unknown_row_to_test_against_names_the_known_ones(tmp_path):
    write(tmp_path, "tool", 0.5)
    with pytest.raises(ValueError, match="against: expected best or one of tool, got 'other'"):
        comparison_table(tmp_path / "hands-val.json", against="other")
