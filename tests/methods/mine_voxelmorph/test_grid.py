"""Subjects on one grid; pairs on the fixed image's, by world frame or by center."""

import pytest
import torch
from monai.data import MetaTensor

from common.methods.mine_voxelmorph.grid import ToPairGridd, ToSubjectGridd
from common.transforms.centered_region import AddAlignmentd


def volume(shape=(20, 24, 18), origin=(0.0, 0.0, 0.0), seed=0):
    affine = torch.eye(4, dtype=torch.float64)
    affine[:3, 3] = torch.tensor(origin)
    image = torch.zeros(1, *shape)
    image[:, 4:-4, 4:-4, 4:-4] = torch.rand([1, *[n - 8 for n in shape]], generator=torch.Generator().manual_seed(seed))
    return MetaTensor(image, affine=affine)


def test_subject_lies_on_the_grid_with_label_and_without_originals():
    item = {"subject": "a", "T1": volume(), "label": volume()}
    found = ToSubjectGridd(["T1", "T1"], 1.0, (32, 32, 16))(item)
    assert found.keys() == item.keys()
    assert found["T1"].shape == found["label"].shape == (1, 32, 32, 16)


def test_subject_without_a_contrast_is_named():
    with pytest.raises(ValueError, match="subject a: expected contrast FLAIR, which it lacks"):
        ToSubjectGridd(["T1", "FLAIR"], 1.0, (16, 16, 16))({"subject": "a", "T1": volume()})


def test_grid_that_is_no_multiple_of_16_is_refused():
    with pytest.raises(ValueError, match=r"spatial_shape: expected multiples of 16, got \[16, 24, 16\]"):
        ToSubjectGridd(["T1"], 1.0, (16, 24, 16))


def test_pair_grid_is_padded_to_multiples_of_16_and_originals_stay():
    item = ToPairGridd(1.0)({"fixed": 100 * volume(), "moving": volume(seed=1)})
    assert item["image"].shape == (2, 32, 32, 32)
    assert item["fixed_native"].max() > 50
    assert item["image"].max() <= 1


def test_center_alignment_lays_the_same_image_elsewhere_on_itself():
    pair = {"fixed": volume(), "moving": volume(origin=(30.0, -10.0, 5.0))}
    item = ToPairGridd(1.0, "center")(pair)
    assert torch.allclose(item["image"][0], item["image"][1], atol=1e-5)
    field = MetaTensor(torch.zeros(3, 20, 24, 18), affine=pair["fixed"].affine)
    whole = AddAlignmentd()(item | {"field_mm": field})["field_mm"]
    assert torch.allclose(whole[:, 0, 0, 0].as_tensor(), torch.tensor([30.0, -10.0, 5.0]), atol=1e-4)


def test_world_alignment_keeps_the_shift_between_the_images():
    item = ToPairGridd(1.0)({"fixed": volume(), "moving": volume(origin=(2.0, 0.0, 0.0))})
    assert torch.allclose(item["image"][0, :-2], item["image"][1, 2:], atol=1e-5)


def test_unknown_alignment_is_refused():
    with pytest.raises(ValueError, match="alignment: expected one of world, center, got 'middle'"):
        ToPairGridd(1.0, "middle")
