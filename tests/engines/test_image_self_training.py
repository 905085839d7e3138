import pytest
import torch

from common.engines.image_self_training import (
    ImageLabeler,
    ImageStudentLoss,
    NoLabeler,
    label_distance,
    labeler,
)
from common.inferers.refined import RefinedInferer
from common.networks.convex_registration import ConvexRegistration
from common.networks.feature_network import FeatureNetwork

SHAPE = (16, 24, 16)


def network():
    torch.manual_seed(0)
    return ConvexRegistration(FeatureNetwork(strides=(2, 1, 2, 1, 1)), radius=1)


def batch():
    generator = torch.Generator().manual_seed(0)
    label = torch.randn(1, 3, 8, 12, 8, generator=generator)
    return {"image": torch.randn(1, 2, *SHAPE, generator=generator), "label": label}


def test_distance_is_in_voxels_and_leaves_the_border_out():
    label = torch.zeros(1, 3, 6, 6, 6)
    pred = label.clone()
    pred[:, 0, 0] = 100.0
    assert label_distance(pred, label, crop=1) == 0.0
    assert label_distance(pred, label) == pytest.approx(1.5 * 100 / 6)


def test_a_crop_that_leaves_nothing_is_an_error():
    with pytest.raises(ValueError, match="more than 16 nodes per axis"):
        label_distance(torch.zeros(1, 3, 8, 8, 8), torch.zeros(1, 3, 8, 8, 8), crop=8)


@pytest.mark.parametrize("supervision", ["pseudo_label", "mind", "ncc"])
@pytest.mark.parametrize("amp", [False, True])
def test_every_supervision_moves_the_network(supervision, amp):
    student = network()
    loss = ImageStudentLoss(crop=1, amp=amp, supervision=supervision)(student, batch())
    loss.backward()
    assert torch.isfinite(loss)
    assert student.feature_extractor.first[0][0].weight.grad.abs().sum() > 0


def test_what_the_network_predicts_is_a_perfect_label():
    student, sample = network().eval(), batch()
    sample["label"] = student(sample["image"])[..., ::2, ::2, ::2]
    assert ImageStudentLoss(crop=1)(student, sample) < 1e-4


def test_labels_are_the_refined_field_on_every_second_voxel():
    inferer = RefinedInferer(2, 3, 2, normalize=True, projection_channels=4)
    item = {"image": batch()["image"][0]}
    with torch.no_grad():
        label, difficulty = ImageLabeler(inferer)(network().eval(), item, torch.Generator().manual_seed(4))
        before, after = inferer.solve(item["image"][None], network().eval(), torch.Generator().manual_seed(4))
    assert torch.allclose(label, after[0, :, ::2, ::2, ::2])
    assert difficulty == pytest.approx((after - before).norm(dim=1).mean().item())


def test_without_refinement_a_label_is_one_solve_and_all_pairs_are_alike():
    item = {"image": batch()["image"][0]}
    with torch.no_grad():
        label, difficulty = ImageLabeler(RefinedInferer(), refine=False)(network().eval(), item, torch.Generator())
        assert torch.allclose(label, network().eval()(item["image"][None])[0, :, ::2, ::2, ::2])
    assert difficulty == 0.0


def test_supervision_by_a_metric_needs_no_labels():
    zero = labeler(RefinedInferer(), "ncc")
    assert isinstance(zero, NoLabeler)
    assert zero(None, {"image": torch.zeros(2, 8, 8, 8)}, None)[0].shape == (3, 4, 4, 4)


def test_an_unknown_supervision_is_an_error():
    with pytest.raises(ValueError, match="supervision of pseudo_label, mind, ncc, got 'dice'"):
        ImageStudentLoss(supervision="dice")
