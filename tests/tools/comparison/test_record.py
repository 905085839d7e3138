import json

import pytest

from common.tools.comparison.record import ComparisonRecord, summary


def row(fixed="a", moving="b", **scores):
    return {"fixed": fixed, "moving": moving, "dice": 0.5, "seconds": 1.0} | scores


def open_record(folder, overwrite=False, **settings):
    return ComparisonRecord(folder / "tool.json", "hands-val", "Tool", {"weight": 1.0} | settings, overwrite)


def test_file_is_whole_after_every_pair(tmp_path):
    record = open_record(tmp_path)
    for number, name in enumerate("bcd", start=1):
        record.add(row(moving=name))
        content = json.loads((tmp_path / "tool.json").read_text())
        assert len(content["pairs"]) == number
        assert content["mean"]["dice"]["mean"] == 0.5
    assert (content["list"], content["title"], content["settings"]) == ("hands-val", "Tool", {"weight": 1.0})


def test_stopped_run_goes_on_with_what_it_has(tmp_path):
    open_record(tmp_path).add(row())
    record = open_record(tmp_path)
    assert record.has("a", "b")
    assert not record.has("b", "a")
    record.add(row("b", "a", dice=1.0))
    assert json.loads((tmp_path / "tool.json").read_text())["mean"]["dice"]["mean"] == 0.75


def test_other_settings_are_refused_by_name_unless_told(tmp_path):
    open_record(tmp_path, num_passes=1).add(row())
    with pytest.raises(ValueError, match=r"expected a result of the same settings, got num_passes 1, now 2"):
        open_record(tmp_path, num_passes=2)
    assert open_record(tmp_path, num_passes=2, overwrite=True).rows == []


def test_file_of_an_unknown_kind_is_not_continued(tmp_path):
    (tmp_path / "tool.json").write_text('{"pairs": []}')
    with pytest.raises(ValueError, match="expected a result of the same settings"):
        open_record(tmp_path)


def test_score_that_is_no_number_is_left_out_of_the_mean():
    found = summary([row(dice=0.5), row(dice=float("nan")), row(dice=None), row(dice=1.0)])
    assert found["dice"] == {"mean": 0.75, "sd": pytest.approx(8**-0.5), "median": 0.75}
