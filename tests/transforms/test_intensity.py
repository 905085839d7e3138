"""Intensities between 0 and 1, whatever unit and background they had."""

import pytest
import torch
from monai.data import MetaTensor

from common.transforms.intensity import UnitIntensityd, unit_intensity


def head():
    volume = torch.full((1, 20, 20, 20), 7.0)
    volume[:, 5:15, 5:15, 5:15] = torch.linspace(100, 1007, 1000).view(1, 10, 10, 10)
    return volume


def test_background_becomes_zero_and_bright_voxels_one():
    unit = unit_intensity(head())
    assert unit[0, 0].abs().max() == 0
    assert unit.max() == 1
    assert ((unit > 0) & (unit < 1)).sum() > 900


def test_unit_and_offset_do_not_matter():
    assert torch.allclose(unit_intensity(3 * head() + 50), unit_intensity(head()), atol=1e-5)


def test_one_hot_voxel_does_not_darken_the_image():
    hot = head()
    hot[0, 7, 7, 7] = 1e6
    assert (unit_intensity(hot, background=False) > 0.5).sum() > 400


def test_crops_count_from_their_minimum():
    assert unit_intensity(head(), background=False).min() == 0


def test_image_without_contrast_is_named():
    image = MetaTensor(torch.zeros(1, 4, 4, 4), meta={"filename_or_obj": "empty.nii.gz"})
    with pytest.raises(ValueError, match=r"empty.nii.gz: expected an image with some contrast, got 0 everywhere"):
        UnitIntensityd("fixed")({"fixed": image})
