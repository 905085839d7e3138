"""The table of an evaluation: a row per pair, a mean, seconds and memory."""

import csv

import torch
from ignite.engine import Engine
from monai.engines.utils import IterationEvents

from common.handlers.scores_csv import ScoresCsv, peak_memory_gib


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


def test_memory_of_this_process_is_plausible():
    if torch.cuda.is_available():  # where only memory of the GPU counts
        torch.zeros(2**26, device="cuda")
    assert 0.05 < peak_memory_gib() < 1000
