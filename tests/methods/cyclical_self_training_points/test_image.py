import pytest
import torch

from common.methods.cyclical_self_training_points.image import CloudsToImaged, PredToDisplacementsd, cloud_image
from common.methods.cyclical_self_training_points.sample import sample_keypoint_pair


def item():
    return {"name": "sample", **sample_keypoint_pair(0, num_fixed=60, num_moving=90)}


def test_slots_hold_points_and_validity():
    done = CloudsToImaged(prealign=False)(item())
    image = done["image"]
    assert image.shape == (8, 90)
    assert image[3].sum() == 60
    assert image[7].sum() == 90
    assert torch.equal(image[4:7].T, done["moving_points"])


def test_alignment_gives_the_moments_of_the_moving_cloud():
    done = CloudsToImaged()(item())
    for moment in (torch.mean, torch.std):
        assert torch.allclose(moment(done["aligned_points"], 0), moment(done["moving_points"], 0), atol=1e-5)


def test_no_prediction_leaves_the_alignment():
    done = CloudsToImaged()(item())
    done = PredToDisplacementsd()({**done, "pred": torch.zeros(3, 90)})
    assert torch.allclose(done["fixed_points"] + done["displacements"], done["aligned_points"], atol=1e-6)


def test_prediction_that_is_not_finite_is_refused():
    done = CloudsToImaged()(item())
    with pytest.raises(ValueError, match="expected finite displacements"):
        PredToDisplacementsd()({**done, "pred": torch.full((3, 90), float("nan"))})


def test_fewer_points_than_neighbors_are_refused():
    with pytest.raises(ValueError, match="sample: expected at least 61 points in fixed_points, got 60"):
        CloudsToImaged(min_points=61)(item())


def test_clouds_of_one_size_fill_all_slots():
    assert cloud_image(torch.zeros(5, 3), torch.zeros(5, 3))[[3, 7]].sum() == 10
