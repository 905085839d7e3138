"""The verdict at the end of register.py, of one pair and of many."""

import json
import sys

import pytest

from common.registration import outputs

QUICK = ("--effort", "none", "--noreport")


@pytest.fixture
def main(load_script, monkeypatch):
    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["register.py", *map(str, arguments)])
        load_script("register").main()

    return run


@pytest.fixture
def folding(monkeypatch):
    """Every registration measures folds in half of its voxels."""
    monkeypatch.setattr(outputs, "evidence", lambda *_: {"folding_fraction": 0.5})


def test_the_terminal_and_the_metrics_tell_contrast_and_verdict(pair, tmp_path, main, capsys):
    main("--fixed", pair[0], "--moving", pair[1], "--output_dir", tmp_path / "out", *QUICK)
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text(encoding="utf-8"))
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith(f"verdict: {metrics['verdict']['grade']}")
    assert metrics["contrast"]["chosen_by"] == "auto"
    assert metrics["verdict"]["measures"]["folding_fraction"] == metrics["regularity"]["folding_fraction"]


def test_strict_ends_with_3_after_all_files_are_written(pair, tmp_path, main, folding, capsys):
    command = ["--fixed", pair[0], "--moving", pair[1], "--output_dir", tmp_path / "out", *QUICK]
    with pytest.raises(SystemExit) as stopped:
        main(*command, "--strict")
    assert stopped.value.code == 3
    assert "verdict: failed (folds: expected a share of at most 0.01 of the voxels, got 0.5)" in capsys.readouterr().out
    assert (tmp_path / "out" / "metrics.json").is_file()
    main(*command)  # without --strict, of the same result


def test_a_list_ends_with_the_names_of_what_failed(pair, tmp_path, main, folding, capsys):
    (tmp_path / "pairs.csv").write_text(f"name,fixed,moving\nhead,{pair[0]},{pair[1]}\n")
    with pytest.raises(SystemExit) as stopped:
        main("--pairs", tmp_path / "pairs.csv", "--output_dir", tmp_path / "out", *QUICK, "--strict")
    assert stopped.value.code == 3
    out = capsys.readouterr().out
    assert "verdicts: 0 good, 0 doubtful, 1 failed" in out
    assert "failed: head (folds: " in out
