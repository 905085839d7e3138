import math

import pytest
import torch
from ignite.engine import Engine
from monai.data import MetaTensor
from torch import nn

from common.losses.registration import RegistrationLoss
from common.metrics.regularity import regularity_scores
from common.metrics.scores import MeanScore, ScoreOnNativeGridd, ScoreOnNetworkGridd, mean_scores, registration_scores


def shifted_labels(shift):
    label = torch.zeros(1, 16, 16, 16)
    label[0, 4:8, 4:12, 4:12], label[0, 8:12, 4:12, 4:12] = 1, 2
    affine = torch.diag(torch.tensor([0.5, 1.0, 2.0, 1.0]))
    return MetaTensor(label, affine=affine), MetaTensor(label.roll(shift, dims=1), affine=affine)


def test_right_shift_gives_full_overlap_on_both_grids():
    fixed_label, moving_label = shifted_labels(3)
    ddf, field_mm = torch.zeros(3, 16, 16, 16), torch.zeros(3, 16, 16, 16)
    ddf[0], field_mm[0] = 3.0, 1.5
    item = {"pred": ddf, "fixed_label": fixed_label, "moving_label": moving_label}
    item |= {"fixed_label_native": fixed_label, "moving_label_native": moving_label}
    item["field_mm"] = MetaTensor(field_mm, affine=fixed_label.affine)
    scores = ScoreOnNativeGridd()(ScoreOnNetworkGridd()(item))["scores"]
    assert scores["dice"] == scores["native_dice"] == 1
    assert scores["hd95_mm"] == scores["native_hd95_mm"] == scores["native_folding_fraction"] == 0


def test_no_shift_gives_the_distance_in_mm():
    fixed_label, moving_label = shifted_labels(1)
    field_mm = MetaTensor(torch.zeros(3, 16, 16, 16), affine=fixed_label.affine)
    scores = registration_scores(field_mm, fixed_label, moving_label, 2)
    assert scores["hd95_mm"] == pytest.approx(0.5)
    assert scores["dice_1"] == pytest.approx(3 / 4)


def test_loss_is_that_of_the_training():
    loss, image = RegistrationLoss(nn.MSELoss(), 0.1), torch.rand(2, 8, 8, 8)
    ddf = torch.rand(3, 8, 8, 8)
    scores = ScoreOnNetworkGridd(loss=loss)({"pred": ddf, "image": image})["scores"]
    assert scores["loss"] == pytest.approx(loss(ddf[None], image[None]).item())


def test_folds_are_counted():
    ddf = torch.zeros(3, 8, 8, 8)
    ddf[0] = -2 * torch.arange(8.0)[:, None, None]  # determinant 1 − 2
    assert regularity_scores(ddf)["folding_fraction"] == 1


def test_mean_leaves_nan_out():
    engine = Engine(lambda engine, batch: [{"scores": {"dice": batch}}])
    metric = MeanScore("dice")
    metric.attach(engine, "dice")
    engine.run([0.5, math.nan, 1.0])
    assert engine.state.metrics["dice"] == 0.75


def test_one_metric_per_name():
    assert {name: metric.name for name, metric in mean_scores(["dice", "loss"]).items()} == {
        "dice": "dice",
        "loss": "loss",
    }


def test_an_evaluation_also_scores_the_pair_before_its_registration():
    fixed_label, moving_label = shifted_labels(1)
    ddf, field_mm = torch.zeros(3, 16, 16, 16), torch.zeros(3, 16, 16, 16)
    ddf[0], field_mm[0] = 1.0, 0.5
    alignment = torch.eye(4, dtype=torch.float64)
    alignment[0, 3] = 0.5  # by which the bundle has laid the centers on each other
    item = {"pred": ddf, "fixed_label": fixed_label, "moving_label": moving_label, "alignment": alignment}
    item |= {"fixed_label_native": fixed_label, "moving_label_native": moving_label}
    item["field_mm"] = MetaTensor(field_mm, affine=fixed_label.affine)
    scores = ScoreOnNativeGridd(initial=True)(ScoreOnNetworkGridd(initial=True)(item))["scores"]
    assert scores["dice"] == scores["native_dice"] == scores["native_initial_dice"] == 1
    assert scores["initial_dice"] == pytest.approx(3 / 4)
    assert scores["initial_hd95_mm"] == pytest.approx(0.5)
    assert scores["native_initial_hd95_mm"] == 0
