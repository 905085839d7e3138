"""The last stages of the shipped hippocampus weights: students from random weights that also compare the images."""

from pathlib import Path

import pytest
import torch

BUNDLE = Path(__file__).parents[2] / "bundles" / "cyclical_self_training"
FINAL = {"student_similarity": "mind", "student_similarity_weight": 100, "regularization_weight": 0.02}
SHORT = {"epochs_per_stage": 1, "label_adam_iterations": 1, "label_refinement_steps": 1, "num_tune_pairs": 1}


def test_a_student_of_labels_and_images_is_trained(run_bundle, tmp_path):
    small = {"spatial_shape": [16, 24, 16], "crop": 1, "num_pairs": 2, "num_iterations": 2}
    options = {"num_stages": 2, "strides": [1, 1, 2, 1, 1], "fresh_students": True, **FINAL}
    training = run_bundle(BUNDLE.name, ["train.json"], tmp_path, **SHORT, **small, **options)
    loss = training.parser.get_parsed_content("loss")
    assert (loss.similarity, loss.similarity_weight, loss.regularization_weight) == ("mind", 100, 0.02)
    stages = [torch.load(tmp_path / f"model_epoch={epoch}.pt", weights_only=True) for epoch in (1, 2)]
    name = "feature_extractor.first.0.0.weight"
    assert (stages[1][name] - stages[0][name]).abs().mean() > 0.05  # two steps of 1e-3 do not lead so far


@pytest.mark.data
def test_the_overlays_make_the_network_that_ships(run_bundle, tmp_path, registration_data):
    names = ["train.json", "hippocampus.json", "fine.json"]
    short = {"num_pairs": 2, "num_iterations": 2, "dataset_dir": str(registration_data / "Task04_Hippocampus")}
    given = {"init_path": str(BUNDLE / "models" / "model.pt")}
    run_bundle(BUNDLE.name, names, tmp_path, **SHORT, **short, **given, **FINAL)
    shipped = torch.load(BUNDLE / "models" / "model.pt", weights_only=True)
    found = torch.load(tmp_path / "model.pt", weights_only=True)
    assert {key: value.shape for key, value in found.items()} == {key: value.shape for key, value in shipped.items()}
    assert torch.equal(found["feature_extractor.trained_strides"], shipped["feature_extractor.trained_strides"])
    weight = "feature_extractor.first.0.0.weight"
    assert (found[weight] - shipped[weight]).abs().mean() > 0.05  # the student does not begin as its teacher
