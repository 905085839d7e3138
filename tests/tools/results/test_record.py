import json
import multiprocessing

import pytest

from common.tools.results.record import ScoredRow, columns, means, read_rows, rows_of, summary, write_row


def open_row(folder, overwrite=False, **settings):
    return ScoredRow(folder / "hands.json", "tool", {"weight": 1.0} | settings, overwrite, title="Tool")


def add_many(path, name):
    for number in range(20):
        write_row(path, f"{name}{number}", {"dice": number})


def test_file_is_whole_after_every_item(tmp_path):
    record = open_row(tmp_path)
    for number, name in enumerate("bcd", start=1):
        record.add(name, {"dice": 0.5, "seconds": 1.0})
        found = read_rows(tmp_path / "hands.json")["tool"]
        assert len(found["scores"]["item"]) == number
        assert means(rows_of(found["scores"]))["dice"] == 0.5
    assert (found["title"], found["settings"]) == ("Tool", {"weight": 1.0})


def test_stopped_run_goes_on_with_what_it_has(tmp_path):
    open_row(tmp_path).add("a b", {"dice": 0.5})
    record = open_row(tmp_path)
    assert record.has("a b")
    assert not record.has("b a")
    record.add("b a", {"dice": 1.0})
    assert read_rows(tmp_path / "hands.json")["tool"]["scores"] == {"item": ["a b", "b a"], "dice": [0.5, 1.0]}


def test_other_settings_are_refused_by_name_unless_told(tmp_path):
    open_row(tmp_path, num_passes=1).add("a b", {"dice": 0.5})
    with pytest.raises(ValueError, match=r"expected a result of the same settings, got num_passes 1, now 2"):
        open_row(tmp_path, num_passes=2)
    assert open_row(tmp_path, num_passes=2, overwrite=True).rows == []


def test_row_of_an_unknown_kind_is_not_continued(tmp_path):
    (tmp_path / "hands.json").write_text('{"rows": {"tool": {"pairs": []}}}')
    with pytest.raises(ValueError, match="expected a result of the same settings"):
        open_row(tmp_path)


def test_file_of_an_unknown_kind_is_refused(tmp_path):
    (tmp_path / "hands.json").write_text('{"pairs": []}')
    with pytest.raises(ValueError, match=r"hands.json: expected a file of results, with rows, got \['pairs'\]"):
        open_row(tmp_path)


def test_rows_that_two_processes_add_are_all_kept(tmp_path):
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=add_many, args=(tmp_path / "t.json", name)) for name in "ab"]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert len(read_rows(tmp_path / "t.json")) == 40


def test_every_environment_is_written_once_and_only_while_a_row_names_it(tmp_path, monkeypatch):
    path = tmp_path / "t.json"
    for name, machine in (("a", "old"), ("b", "new"), ("c", "new"), ("a", "new")):
        monkeypatch.setattr("common.tools.results.record.environment", lambda machine=machine: {"processor": machine})
        write_row(path, name, {})
    content = json.loads(path.read_text(encoding="utf-8"))
    assert content["environments"] == {"2": {"processor": "new"}}
    assert {row["environment"] for row in content["rows"].values()} == {"2"}


def test_columns_hold_every_name_and_give_the_rows_back():
    rows = [{"item": "a", "dice": 0.5}, {"item": "b", "dice_62": 1.0}]
    assert columns(rows) == {"item": ["a", "b"], "dice": [0.5, None], "dice_62": [None, 1.0]}
    assert rows_of(columns(rows)) == rows


def test_score_that_is_no_number_is_left_out_of_the_mean():
    found = summary([{"dice": 0.5}, {"dice": float("nan")}, {"dice": None}, {"dice": 1.0}])
    assert found["dice"] == {"mean": 0.75, "sd": pytest.approx(8**-0.5), "median": 0.75}


def test_a_structure_that_some_pairs_lack_is_divided_by_those_that_have_it():
    rows = [{"item": "a", "dice": 0.5}, {"item": "b", "dice": 1.0, "dice_62": 0.75}]
    assert means(rows) == {"dice": 0.75, "dice_62": 0.75}
