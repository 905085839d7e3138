import csv
import math
from types import SimpleNamespace

import pytest
import torch
from ignite.engine import Engine

from common.methods.mcd_pemd.scores import DirectionScore, DirectionTable, accuracy, prediction_entropy


def feed(metric, logits, label, direction):
    state = SimpleNamespace(output={"pred": logits, "label": label}, batch={"direction": direction})
    metric.reset()
    metric.iteration_completed(SimpleNamespace(state=state))
    return metric.compute()


def test_accuracy_counts_right_classes():
    assert accuracy(torch.eye(25)[[1, 2, 3]], torch.tensor([1, 2, 4])) == pytest.approx(2 / 3)


def test_entropy_of_a_uniform_guess_is_the_logarithm_of_the_number_of_classes():
    assert prediction_entropy(torch.zeros(2, 25), torch.zeros(2)) == pytest.approx(math.log(25), rel=1e-6)


def test_only_pairs_of_the_direction_count():
    logits, direction = torch.eye(25)[[0, 1, 2, 3]], torch.tensor([0, 0, 2, 2])
    label = torch.tensor([0, 9, 2, 3])
    assert feed(DirectionScore("accuracy", ["source_to_source"]), logits, label, direction) == 0.5
    assert feed(DirectionScore("accuracy", ["source_to_target"]), logits, label, direction) == 1.0


def test_the_headline_is_the_mean_of_the_directions_not_of_the_pairs():
    logits, direction = torch.eye(25)[[0, 1, 2]], torch.tensor([1, 2, 2])
    metric = DirectionScore("accuracy", ["target_to_target", "source_to_target"])
    assert feed(metric, logits, torch.tensor([0, 9, 9]), direction) == 0.5


def test_a_misspelt_score_or_direction_is_refused():
    with pytest.raises(ValueError, match="got \\['accurracy'\\]"):
        DirectionScore("accurracy", ["source_to_source"])
    with pytest.raises(ValueError, match="got \\['T1_to_T2'\\]"):
        DirectionScore("accuracy", ["T1_to_T2"])


def test_the_table_has_a_row_per_direction_before_and_after(tmp_path, capsys):
    logits, label, direction = torch.eye(25)[[12, 12, 7, 7]], torch.tensor([12, 13, 7, 12]), torch.arange(4)
    engine = Engine(lambda engine, batch: {"pred": logits, "label": label})
    DirectionTable(str(tmp_path)).attach(engine)
    engine.run([{"direction": direction}])
    rows = list(csv.DictReader((tmp_path / "scores.csv").open()))
    assert [row["name"] for row in rows[:2]] == ["source_to_source", "target_to_target"]
    assert [float(row["displacement_error_voxels"]) for row in rows] == [0, 19, 0, 19, 9.5]
    assert [float(row["initial_displacement_error_voxels"]) for row in rows] == [0, 19, 19, 0, 9.5]
    assert "mean of 4 cases: displacement_error_voxels 9.5 → 9.5" in capsys.readouterr().out
