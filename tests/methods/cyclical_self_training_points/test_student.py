import pytest
import torch

from common.methods.cyclical_self_training_points.image import CloudsToImaged
from common.methods.cyclical_self_training_points.inferer import KeypointPasses
from common.methods.cyclical_self_training_points.network import KeypointRegistration
from common.methods.cyclical_self_training_points.sample import sample_keypoint_pair
from common.methods.cyclical_self_training_points.student import (
    KeypointAugmentation,
    KeypointLabeler,
    KeypointLoss,
    landmark_displacements,
    settings,
)


def pair():
    return CloudsToImaged()({"name": "sample", **sample_keypoint_pair(0, num_fixed=90, num_moving=150)})


def network(**changes):
    torch.manual_seed(0)
    return KeypointRegistration(**{"num_candidates": 16, "num_rounds": 2, **changes}).eval()


def generator():
    return torch.Generator().manual_seed(0)


def test_settings_hold_within_the_context_only():
    registration = network()
    with settings(registration, unary_scale=0, num_rounds=1):
        assert (registration.unary_scale, registration.num_rounds) == (0.0, 1)
    assert (registration.unary_scale, registration.num_rounds) == (1.0, 2)


def test_label_has_a_row_per_fixed_point_and_no_gradient():
    label, difficulty = KeypointLabeler(KeypointPasses(2))(network(), pair(), generator())
    assert label.shape == (90, 3)
    assert not label.requires_grad
    assert difficulty > 0


def test_self_training_never_reads_landmarks():
    with_landmarks, without = pair(), pair()
    for key in ("fixed_landmarks", "moving_landmarks"):
        with_landmarks[key] = torch.full_like(with_landmarks[key], float("nan"))
        del without[key]
    labels = [KeypointLabeler(KeypointPasses(1))(network(), item, generator())[0] for item in (with_landmarks, without)]
    assert torch.equal(*labels)
    assert labels[0].isfinite().all()


def test_landmark_label_leads_landmarks_to_their_partners():
    item = pair()
    item["fixed_points"] = item["fixed_landmarks"]
    item["aligned_points"] = item["fixed_landmarks"] + 0.1
    reached = item["aligned_points"] + landmark_displacements(item)
    assert (reached - item["moving_landmarks"]).abs().mean() < 0.01


def test_landmark_strategy_without_landmarks_names_the_pair():
    item = pair()
    del item["fixed_landmarks"]
    with pytest.raises(ValueError, match="sample: expected landmarks"):
        KeypointLabeler(KeypointPasses(1), strategy="landmarks")(network(), item, generator())


def test_augmented_label_is_exact():
    item = pair()
    label = 0.1 * item["aligned_points"]
    item["moving_points"] = item["aligned_points"] + label
    sample = KeypointAugmentation(60, 150, 20)(item, label, generator())
    reached = sample["fixed"] + sample["label"]
    assert torch.cdist(reached, sample["moving"]).amin(1).max() < 1e-3
    assert sample["chosen"].tolist() == list(range(20))


@pytest.mark.parametrize("strategy", ["synthetic_rigid", "synthetic_field"])
def test_synthetic_label_leads_back_to_the_cloud(strategy):
    sample = KeypointAugmentation(60, 150, 20, strategy=strategy)(pair(), torch.zeros(90, 3), generator())
    assert torch.cdist(sample["fixed"] + sample["label"], sample["moving"]).amin(1).max() < 1e-3
    assert sample["label"].abs().max() > 0.01


@pytest.mark.parametrize("strategy", ["self_training", "chamfer"])
def test_loss_reaches_the_features(strategy):
    student = network()
    sample = KeypointAugmentation(60, 150, 30)(pair(), torch.zeros(90, 3), generator())
    loss = KeypointLoss(strategy, num_rounds=1)(student, sample)["loss"]
    loss.backward()
    assert loss > 0
    assert any(parameter.grad.abs().max() > 0 for parameter in student.parameters())


def test_label_of_the_network_itself_has_no_loss():
    student = network()
    sample = KeypointAugmentation(60, 150, 60)(pair(), torch.zeros(90, 3), generator())
    with torch.no_grad():
        sample["label"] = student.register(sample["fixed"], sample["moving"], sample["chosen"])
        assert KeypointLoss(num_rounds=2)(student, sample)["loss"] < 1e-6


def test_unknown_strategy_is_refused():
    with pytest.raises(ValueError, match="expected a strategy of self_training"):
        KeypointLabeler(KeypointPasses(1), strategy="magic")
