"""The table of an evaluation: a row per pair, a mean, seconds and memory."""

import csv
import json

import pytest
from ignite.engine import Engine
from monai.engines.utils import IterationEvents

from common.training.records import Convergence, MetricsJson, ScoresCsv, case_names
from common.training.score_summary import score_summary


def evaluated(folder, items):
    def step(engine, item):
        engine.fire_event(IterationEvents.FORWARD_COMPLETED)
        return [item]

    engine = Engine(step)
    engine.register_events(*IterationEvents)
    ScoresCsv(str(folder)).attach(engine)
    engine.run(items)
    return engine, list(csv.DictReader((folder / "scores.csv").open()))


def test_rows_have_names_scores_seconds_and_a_mean(tmp_path):
    items = [{"name": "a", "scores": {"dice": 0.5}}, {"name": "b", "scores": {"dice": 1.0, "dice_7": 0.2}}]
    engine, rows = evaluated(tmp_path, items)
    assert [row["name"] for row in rows] == ["a", "b", "mean"]
    assert [row["dice"] for row in rows] == ["0.5", "1.0", "0.75"]
    assert [row["dice_7"] for row in rows] == ["", "0.2", "0.2"]
    assert 0 <= float(rows[0]["seconds"]) < 5
    assert engine.state.metrics["peak_memory_gib"] == float(rows[-2]["peak_memory_gib"])


def validate(folder, epoch, **metrics):
    engine = Engine(lambda engine, batch: None)
    Convergence(str(folder)).attach(engine)
    engine.state.metrics.update(metrics)
    engine.state.epoch, engine.state.max_epochs = epoch - 1, epoch  # as MONAI's Evaluator.run(epoch) does
    engine.state.epoch_length = 1
    engine.run([0], max_epochs=epoch)
    return json.loads((folder / "convergence.json").read_text(encoding="utf-8"))


def test_every_validation_adds_its_epoch(tmp_path):
    validate(tmp_path, 2, loss=0.5, dice=0.25)
    rows = validate(tmp_path, 4, loss=0.25, dice=0.5)
    assert rows == [{"epoch": 2, "loss": 0.5, "dice": 0.25}, {"epoch": 4, "loss": 0.25, "dice": 0.5}]


def test_an_epoch_done_again_replaces_what_came_after_it(tmp_path):
    for epoch in (1, 2, 3):
        validate(tmp_path, epoch, loss=float(epoch))
    assert validate(tmp_path, 2, loss=9.0) == [{"epoch": 1, "loss": 1.0}, {"epoch": 2, "loss": 9.0}]


def test_only_numbers_are_kept(tmp_path):
    assert validate(tmp_path, 1, loss=float("nan"), confusion=[[1]]) == [{"epoch": 1, "loss": None}]


def test_metrics_are_written_when_the_evaluation_ends(tmp_path):
    engine = Engine(lambda engine, batch: None)
    engine.state.metrics.update(dice=0.1 + 0.2, confusion=[[1, 0], [0, 1]], tre=float("nan"))
    MetricsJson(str(tmp_path / "new"), {"seed": 3}).attach(engine)
    assert not (tmp_path / "new").exists()
    engine.run([0])
    assert json.loads((tmp_path / "new" / "metrics.json").read_text(encoding="utf-8")) == {
        "metrics": {"dice": 0.1 + 0.2, "tre": None},
        "settings": {"seed": 3},
    }
    assert (tmp_path / "new" / "confusion.csv").read_text(encoding="utf-8") == "1,0\n0,1\n"


@pytest.mark.parametrize(
    ("batch", "name"),
    [
        ({"fixed_subject": "ms07", "moving_subject": "ms19"}, "ms07-ms19"),
        ({"name": "copd_01"}, "copd_01"),
        ({"image": 0}, "0"),
    ],
)
def test_a_case_has_the_name_of_its_subjects(batch, name):
    engine = Engine(lambda engine, batch: [{"scores": {}}])
    engine.run([[batch]])
    assert case_names(engine) == [name]


def test_the_terminal_shows_the_worst_cases_before_and_after():
    rows = [{"name": str(k), "initial_tre_mm": 10.0, "tre_mm": float(k), "sdlogj": 0.5} for k in range(12)]
    lines = score_summary(rows)
    assert lines[0] == "mean of 12 cases: tre_mm 10 → 5.5, sdlogj 0.5"
    assert lines[1] == "tre_mm of 11: 10 → 11"
    assert lines[-1] == "and 2 better ones in scores.csv"


def test_the_table_is_printed_and_its_mean_ends_the_file(tmp_path, capsys):
    evaluated(
        tmp_path,
        [{"name": name, "scores": {"dice": x, "initial_dice": 0.25}} for name, x in zip("ab", (0.5, 1.0), strict=True)],
    )
    assert capsys.readouterr().out.splitlines()[1:] == [
        "mean of 2 cases: dice 0.25 → 0.75",
        "dice of a: 0.25 → 0.5",
        "dice of b: 0.25 → 1",
    ]
    assert (tmp_path / "scores.csv").read_text(encoding="utf-8").splitlines()[-1].startswith("mean,0.75,0.25")
