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
    assert table.splitlines()[0] == "| 3 pairs | Dice | HD95 (mm) | folds (%) | processor seconds per pair |"
    assert table.splitlines()[2] == "| tool | 0.600 ± 0.100 | 3.00 ± 0.00 | 0.1000 | 2.00 |"


def test_unfinished_tool_says_so(tmp_path):
    write(tmp_path, "slow", 0.5, count=2)
    write(tmp_path, "tool", 0.5, count=3)
    table = comparison_table(tmp_path / "hands-val.json")
    assert "| slow (2 pairs) |" in table
    assert "| tool |" in table
