import json

from common.tools.comparison.table import comparison_table, read_comparison


def write(folder, tool, dice, count=2, **more):
    rows = [
        {
            "fixed": "a",
            "moving": str(k),
            "dice": dice + 0.1 * k,
            "hd95_mm": 3.0,
            "folding_fraction": 0.001,
            "processor_seconds": x,
        }
        for k, x in zip(range(count), (9.0, 1.0, 2.0), strict=False)
    ]
    content = {"list": "hands-val", "title": tool, "pairs": rows} | more
    (folder / f"hands-val-{tool}.json").write_text(json.dumps(content))


def test_results_of_a_list_are_sorted_and_others_left_out(tmp_path):
    write(tmp_path, "good", 0.8)
    write(tmp_path, "before", 0.5)
    write(tmp_path, "other", 0.5, list="feet-val")
    (tmp_path / "accuracy.json").write_text('{"scores": 1}')
    lists = read_comparison(tmp_path)
    assert [result["title"] for result in lists["hands-val"]] == ["before", "good"]
    assert set(lists) == {"hands-val", "feet-val"}


def test_line_holds_means_and_the_median_of_the_processor_seconds(tmp_path):
    write(tmp_path, "tool", 0.5, count=3)
    table = comparison_table(read_comparison(tmp_path)["hands-val"])
    assert table.splitlines()[0] == "| 3 pairs | Dice | HD95 (mm) | folds (%) | processor seconds per pair |"
    assert table.splitlines()[2] == "| tool | 0.600 ± 0.100 | 3.00 ± 0.00 | 0.1000 | 2.00 |"


def test_unfinished_tool_says_so(tmp_path):
    write(tmp_path, "slow", 0.5, count=2)
    write(tmp_path, "tool", 0.5, count=3)
    table = comparison_table(read_comparison(tmp_path)["hands-val"])
    assert "| slow (2 pairs) |" in table
    assert "| tool |" in table
