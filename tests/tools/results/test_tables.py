import pytest

from common.tools.results.tables import replace_tables, results_table, summary


def test_mean_and_sample_standard_deviation():
    # mean 2, sample variance ((1)² + 0 + (1)²) / 2 = 1
    assert summary([1.0, 2.0, 3.0], expected=3, digits=2) == "2.00 ± 1.00"


def test_single_seed_has_no_deviation():
    assert summary([0.5], expected=1) == "0.500"


def test_missing_seeds_are_counted():
    assert summary([0.5], expected=3, scale=100, digits=0) == "50 (1 of 3)"


def test_nothing_run_says_so():
    assert summary([], expected=3) == "not run"


def test_score_that_is_no_number_is_not_hidden():
    assert summary([0.5, None], expected=2) == "not finite in 1 of 2"


def test_text_around_the_markers_stays(tmp_path):
    path = tmp_path / "README.md"
    path.write_text("a\n<!-- note -->\nb\n<!-- table:x -->\nold\n<!-- /table -->\nc\n")
    assert replace_tables(path, {"x": r"| \1 |"}) == ["x"]
    assert path.read_text(encoding="utf-8") == "a\n<!-- note -->\nb\n<!-- table:x -->\n| \\1 |\n<!-- /table -->\nc\n"


def test_marker_without_end_is_refused(tmp_path):
    path = tmp_path / "README.md"
    path.write_text("<!-- table:x -->\n")
    with pytest.raises(ValueError, match="expected closed markers"):
        replace_tables(path, {"x": ""})


def test_missing_score_is_named():
    table = {"metrics": {"dice": {}}, "rows": {"a": {}}, "seeds": [0]}
    with pytest.raises(KeyError, match="expected a score 'dice'"):
        results_table(table, "sample", {("sample", "a"): [{"scores": {"hd95": 1.0}}]})
