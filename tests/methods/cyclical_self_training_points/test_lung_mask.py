import pytest
import torch
from monai.data import MetaTensor

from common.data.sample.chest import write_sample_chest
from common.data.volume import read_volume
from common.methods.cyclical_self_training_points.lung_mask import DomainError, check_lungs, lung_mask


@pytest.fixture(scope="module")
def chest(tmp_path_factory):
    return write_sample_chest(tmp_path_factory.mktemp("chest"))


def dice(one, other):
    return 2 * (one & other).sum() / (one.sum() + other.sum())


def test_lungs_of_a_generated_chest_are_found(chest):
    for side in ("fixed", "moving"):
        truth = read_volume(chest[f"{side}_mask"])[0] > 0.5
        assert dice(lung_mask(read_volume(chest[side])), truth.as_tensor()) > 0.98


def test_turned_body_gives_the_same_lungs(chest):
    image = read_volume(chest["fixed"])
    turned = MetaTensor(image.as_tensor().transpose(1, 3), affine=image.affine[:, [2, 1, 0, 3]])
    assert torch.equal(lung_mask(turned).transpose(0, 2), lung_mask(image))


@pytest.mark.parametrize("change", [lambda x: (x + 1000) / 1000, lambda x: x.clamp(min=-300), lambda x: x * 0 - 1000])
def test_image_of_another_domain_is_refused_by_name(chest, change):
    image = read_volume(chest["fixed"])
    other = MetaTensor(change(image.as_tensor()), affine=image.affine, meta={"filename_or_obj": "brain.nii.gz"})
    with pytest.raises(DomainError, match=r"brain.nii.gz: expected a chest CT in HU"):
        lung_mask(other)


@pytest.mark.parametrize(("liters", "mean_hu"), [(0.0, 0.0), (0.2, -800.0), (17.0, -800.0), (3.0, -990.0)])
def test_implausible_lungs_are_refused(liters, mean_hu):
    with pytest.raises(DomainError, match=r"x.nii.gz: expected lungs of 0.5 to 12 liters"):
        check_lungs(liters, mean_hu, "x.nii.gz")
