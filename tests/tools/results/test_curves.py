import json

import pytest

from common.tools.results.curves import draw_convergence, read_convergence

TABLE = {
    "rows": {"mse": {"title": "MSE"}, "swd": {}},
    "datasets": {"hippocampus": {}, "contoured": {"title": "cropped"}},
    "curves": {"loss": "loss", "dice": "Dice"},
}


def runs(*losses):
    epochs = list(range(1, len(losses) + 1))
    return {"convergence": {"epoch": epochs, "loss": list(losses), "dice": [None] * len(losses)}}


def test_a_run_without_validations_has_no_convergence(tmp_path):
    assert read_convergence(tmp_path) == {}


def test_convergence_of_a_run_is_read(tmp_path):
    (tmp_path / "convergence.json").write_text(json.dumps([{"epoch": 1, "loss": 0.5}]))
    assert read_convergence(tmp_path) == {"epoch": [1], "loss": [0.5]}


def test_every_seed_is_a_line_and_every_row_with_results_a_legend(tmp_path):
    pytest.importorskip("matplotlib.pyplot")
    results = {("hippocampus", "mse"): [runs(0.5, 0.25), runs(0.6, 0.3)], ("hippocampus", "swd"): []}
    drawn = draw_convergence(TABLE, results, tmp_path / "curves.svg").read_text(encoding="utf-8")
    assert drawn.count("<!-- MSE -->") == 2  # the legend of either panel
    assert "<!-- swd -->" not in drawn


def test_the_same_results_give_the_same_file(tmp_path):
    pytest.importorskip("matplotlib.pyplot")
    results = {("hippocampus", "mse"): [runs(0.5, 0.25)]}
    first, second = (draw_convergence(TABLE, results, tmp_path / name).read_bytes() for name in ("a.svg", "b.svg"))
    assert first == second


def test_a_data_set_has_panels_of_its_own_once_it_has_a_training(tmp_path):
    pytest.importorskip("matplotlib.pyplot")
    results = {("hippocampus", "mse"): [runs(0.5, 0.25)], ("contoured", "mse"): [{"scores": {}}]}
    drawn = draw_convergence(TABLE, results, tmp_path / "one.svg").read_text(encoding="utf-8")
    assert drawn.count("<!-- hippocampus -->") == 2
    assert "<!-- cropped -->" not in drawn
    results["contoured", "swd"] = [runs(0.4, 0.3)]
    drawn = draw_convergence(TABLE, results, tmp_path / "two.svg").read_text(encoding="utf-8")
    assert drawn.count("<!-- hippocampus -->") == drawn.count("<!-- cropped -->") == 2
    assert drawn.count("<!-- swd -->") == 2


def test_scores_of_different_scale_have_a_logarithmic_axis(tmp_path):
    pytest.importorskip("matplotlib.pyplot")
    results = {("hippocampus", "mse"): [runs(0.5, 0.25)], ("hippocampus", "swd"): [runs(0.005, 0.0025)]}
    drawn = draw_convergence(TABLE, results, tmp_path / "curves.svg").read_text(encoding="utf-8")
    assert "10^{-2}" in drawn
    alike = {("hippocampus", "mse"): [runs(0.5, 0.25)], ("hippocampus", "swd"): [runs(0.4, 0.3)]}
    assert "10^{-2}" not in draw_convergence(TABLE, alike, tmp_path / "alike.svg").read_text(encoding="utf-8")
