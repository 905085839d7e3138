"""Tests of the intensities of the features for any contrast."""

import pytest
import torch

from common.methods.any_contrast.intensity import normalized_intensity


def test_background_does_not_change_the_object():
    inside = 1 + torch.rand(1, 1, 12, 12, 12)
    padded = [torch.nn.functional.pad(inside, [margin] * 6) for margin in (1, 6)]
    near, far = (normalized_intensity(image) for image in padded)
    torch.testing.assert_close(near, far[..., 5:-5, 5:-5, 5:-5])


def test_each_image_of_a_batch_has_its_own_range():
    image = torch.rand(1, 1, 8, 8, 8)
    both = normalized_intensity(torch.cat([image, 50 * image + 3]))
    torch.testing.assert_close(both[0], both[1], atol=1e-5, rtol=0)


def test_outliers_are_bounded():
    image = torch.rand(1, 1, 8, 8, 8)
    image[0, 0, 4, 4, 4] = 1e6
    assert normalized_intensity(image, limit=1.25).max() == 1.25


def test_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"expected an image of shape \(B, 1, X, Y, Z\), got \[1, 2, 4, 4, 4\]"):
        normalized_intensity(torch.rand(1, 2, 4, 4, 4))
