import json

import pytest

from common.results.curves import draw_convergence, read_convergence

TABLE = {"rows": {"mse": {"title": "MSE"}, "swd": {}}, "curves": {"loss": "loss", "dice": "Dice"}}


def runs(*losses):
    return {"convergence": [{"epoch": k + 1, "loss": loss, "dice": None} for k, loss in enumerate(losses)]}


def test_a_run_without_validations_has_no_convergence(tmp_path):
    assert read_convergence(tmp_path) == []


def test_convergence_of_a_run_is_read(tmp_path):
    (tmp_path / "convergence.json").write_text(json.dumps([{"epoch": 1, "loss": 0.5}]))
    assert read_convergence(tmp_path) == [{"epoch": 1, "loss": 0.5}]


def test_every_seed_is_a_line_and_every_row_with_results_a_legend(tmp_path):
    pytest.importorskip("matplotlib.pyplot")
    results = {("hippocampus", "mse"): [runs(0.5, 0.25), runs(0.6, 0.3)], ("hippocampus", "swd"): []}
    drawn = draw_convergence(TABLE, results, tmp_path / "curves.svg").read_text()
    assert drawn.count("<!-- MSE -->") == 2  # the legend of either panel
    assert "<!-- swd -->" not in drawn


def test_the_same_results_give_the_same_file(tmp_path):
    pytest.importorskip("matplotlib.pyplot")
    results = {("hippocampus", "mse"): [runs(0.5, 0.25)]}
    first, second = (draw_convergence(TABLE, results, tmp_path / name).read_bytes() for name in ("a.svg", "b.svg"))
    assert first == second
