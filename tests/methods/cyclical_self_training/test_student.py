import pytest
import torch

from common.methods.cyclical_self_training.feature_refinement import AdamSettings
from common.methods.cyclical_self_training.features import FeatureNetwork
from common.methods.cyclical_self_training.inferer import RefinedInferer
from common.methods.cyclical_self_training.network import ConvexRegistration
from common.methods.cyclical_self_training.student import (
    ImageLabeler,
    ImageStudentLoss,
    NoLabeler,
    label_distance,
    labeler,
)

SHAPE = (16, 24, 16)


def network():
    torch.manual_seed(0)
    return ConvexRegistration(FeatureNetwork(strides=(2, 1, 2, 1, 1)), radius=1)


def batch():
    generator = torch.Generator().manual_seed(0)
    label = torch.randn(1, 3, 8, 12, 8, generator=generator)
    structures = torch.zeros(1, 2, *SHAPE)
    structures[:, 0, 4:10, 6:16, 4:12], structures[:, 1, 5:11, 8:18, 5:12] = 1.0, 1.0
    image = torch.randn(1, 2, *SHAPE, generator=generator)
    return {"image": image, "label": label, "structures": structures}


def test_distance_is_in_voxels_and_leaves_the_border_out():
    label = torch.zeros(1, 3, 6, 6, 6)
    pred = label.clone()
    pred[:, 0, 0] = 100.0
    assert label_distance(pred, label, crop=1) == 0.0
    assert label_distance(pred, label) == pytest.approx(1.5 * 100 / 6)


def test_a_crop_that_leaves_nothing_is_an_error():
    with pytest.raises(ValueError, match="more than 16 nodes per axis"):
        label_distance(torch.zeros(1, 3, 8, 8, 8), torch.zeros(1, 3, 8, 8, 8), crop=8)


@pytest.mark.parametrize("supervision", ["pseudo_label", "mind", "ncc", "supervised"])
@pytest.mark.parametrize("amp", [False, True])
def test_every_supervision_moves_the_network(supervision, amp):
    student = network()
    loss = ImageStudentLoss(crop=1, amp=amp, supervision=supervision, regularization_weight=0.0)(student, batch())
    loss.backward()
    assert torch.isfinite(loss)
    assert student.feature_extractor.first[0][0].weight.grad.abs().sum() > 0


@pytest.mark.parametrize("similarity", ["mind", "ncc"])
def test_a_similarity_of_the_images_is_added_to_the_distance(similarity):
    student, sample = network().eval(), batch()
    options = {"crop": 1, "regularization_weight": 0.5}
    distance = ImageStudentLoss(**options)(student, sample)
    images = ImageStudentLoss(supervision=similarity, **options)(student, sample)
    both = ImageStudentLoss(similarity=similarity, similarity_weight=3.0, **options)(student, sample)
    assert both.item() == pytest.approx(distance.item() + 3 * images.item(), rel=1e-5)
    assert abs(images.item()) > 1e-3


@pytest.mark.parametrize(("similarity", "supervision"), [("mse", "pseudo_label"), ("mind", "ncc")])
def test_a_similarity_that_does_not_fit_is_an_error(similarity, supervision):
    with pytest.raises(ValueError, match=f"got '{similarity}' with supervision {supervision}"):
        ImageStudentLoss(supervision=supervision, similarity=similarity)


def test_a_similarity_without_weight_is_an_error():
    with pytest.raises(ValueError, match="student_similarity_weight: expected a positive number, got 0"):
        ImageStudentLoss(similarity="mind", similarity_weight=0)


def test_what_the_network_predicts_is_a_perfect_label():
    student, sample = network().eval(), batch()
    sample["label"] = student(sample["image"])[..., ::2, ::2, ::2]
    assert ImageStudentLoss(crop=1)(student, sample) < 1e-4


def test_labels_are_the_refined_field_on_every_second_voxel():
    inferer = RefinedInferer(2, 3, AdamSettings(2, 1.0, 6.5, 4, normalize=True))
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


@pytest.mark.parametrize("supervision", ["mind", "ncc", "supervised"])
def test_only_the_self_training_needs_pseudo_labels(supervision):
    zero = labeler(RefinedInferer(), supervision)
    assert isinstance(zero, NoLabeler)
    assert zero(None, {"image": torch.zeros(2, 8, 8, 8)}, None)[0].shape == (3, 4, 4, 4)


class FixedField:
    """Stands in for a network that gives one field, whatever the features."""

    def __init__(self, field):
        self.field = field

    def parameters(self):
        return iter([self.field])

    def features(self, image):
        return image, image

    def match(self, fixed, moving):
        return self.field

    def to_voxels(self, field, shape, stride):
        return field[..., ::stride, ::stride, ::stride]


def test_the_supervised_baseline_counts_the_overlap_of_structures():
    sample = batch()
    moved = torch.zeros(1, 2, *SHAPE)
    moved[:, 0, 4:10, 6:16, 4:12], moved[:, 1, 6:12, 6:16, 4:12] = 1.0, 1.0  # moving lies 2 voxels further
    loss = ImageStudentLoss(supervision="supervised", regularization_weight=0.0)
    shift = torch.zeros(1, 3, *SHAPE)
    shift[:, 0] = 2.0
    here = loss(FixedField(torch.zeros_like(shift)), sample | {"structures": moved})
    there = loss(FixedField(shift), sample | {"structures": moved})
    # Structure 1 overlaps by 4 of 6 planes without the shift; structure 2 is in neither image, which is no loss.
    assert here == pytest.approx((1 - 4 / 6) / 2, abs=1e-4)
    assert there == pytest.approx(0.0, abs=1e-4)


@pytest.mark.parametrize("value", [3.0, -1.0, 0.5])
def test_labels_that_are_no_structure_are_an_error(value):
    structures = batch()["structures"]
    structures[0, 0, 0, 0, 0] = value
    with pytest.raises(ValueError, match="expected whole labels from 0 to num_structures = 2, got"):
        ImageStudentLoss(supervision="supervised")(network(), batch() | {"structures": structures})


def test_supervision_without_structures_is_an_error():
    sample = {key: value for key, value in batch().items() if key != "structures"}
    with pytest.raises(ValueError, match="expected labels of the fit part as structures, got none"):
        ImageStudentLoss(supervision="supervised")(network(), sample)


def test_an_unknown_supervision_is_an_error():
    with pytest.raises(ValueError, match="supervision of pseudo_label, mind, ncc, supervised, got 'dice'"):
        ImageStudentLoss(supervision="dice")
