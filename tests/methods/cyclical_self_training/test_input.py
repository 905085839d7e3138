import pytest
import torch
from monai.data import MetaTensor

from common.methods.cyclical_self_training.input import pair_input


def ct(size=8):
    return MetaTensor(torch.linspace(-1000, 1000, size**3).view(1, size, size, size), affine=torch.eye(4))


def test_hounsfield_units_are_clamped_and_divided_by_500():
    item = {"fixed": ct(), "moving": ct(), "fixed_label": ct() * 0}
    result = pair_input("ct", ["fixed", "moving"], (4, 4, 4))(item)
    for key in ("fixed", "moving"):
        assert result[key].shape == (1, 4, 4, 4)
        assert result[key].min() == pytest.approx(-0.4)
        assert result[key].max() == pytest.approx(0.6)
    assert result["fixed_label"].shape == (1, 4, 4, 4)


def test_originals_of_a_ct_keep_their_hounsfield_units():
    item = {"fixed": ct(), "moving": ct()}
    result = pair_input("ct", ["fixed", "moving"], (4, 4, 4))(item)
    for key in ("fixed", "moving"):
        assert torch.equal(result[f"{key}_native"], ct())


def test_a_region_is_laid_on_the_others_by_its_center():
    item = {"image": MetaTensor(torch.rand(1, 35, 50, 36), affine=torch.eye(4))}
    assert pair_input("region", ["image"], (48, 64, 48))(item)["image"].shape == (1, 48, 64, 48)


def test_an_unknown_kind_is_an_error():
    with pytest.raises(ValueError, match="expected one of region, ct, got 'mr'"):
        pair_input("mr", ["image"], (4, 4, 4))
