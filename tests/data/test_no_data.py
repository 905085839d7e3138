"""Voxels without data in images that a user hands in."""

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from common.data.volume import input_image
from common.words import InputWarning
from tests.heads import write

SHAPE = (24, 24, 12)
X, Y = np.meshgrid(np.arange(24) - 11.5, np.arange(24) - 11.5, indexing="ij")
CIRCLE = np.repeat((np.hypot(X, Y) < 11.5)[..., None], SHAPE[2], axis=2)


def ct(padding=None):
    image = -1000 + 20 * np.random.default_rng(0).standard_normal(SHAPE)
    image[7:17, 6:18, 2:10] = 40 + 30 * np.random.default_rng(1).standard_normal((10, 12, 8))
    return image if padding is None else np.where(CIRCLE, image, padding)


@pytest.mark.parametrize("padding", [-1500.0, -2000.0, -2048.0, -3024.0, -10000.0, -32768.0])
def test_padding_beyond_the_circle_of_a_ct_is_air(padding, tmp_path):
    with pytest.warns(InputWarning, match=rf"ct\.nii: {(~CIRCLE).sum()} voxels of 6912 hold {padding:g}, less than"):
        image = input_image(write(tmp_path / "ct.nii", ct(padding).astype(np.float32)))[0].numpy()
    np.testing.assert_allclose(image[CIRCLE], ct()[CIRCLE], atol=1e-2)
    assert np.abs(image[~CIRCLE] + 1000).max() < 5


@pytest.mark.parametrize(
    "image",
    [ct(), np.where(CIRCLE, ct(), -1024), ct() - 32000, 5 * ct(), np.where(CIRCLE, 300 + ct() / 100, 0.0)],
    ids=["ct", "padded with -1024", "around -33000", "phase", "mr"],
)
def test_images_without_such_padding_stay_as_they_are(image, tmp_path, recwarn):
    found = input_image(write(tmp_path / "image.nii", image.astype(np.float32)))[0].numpy()
    np.testing.assert_array_equal(found, image.astype(np.float32))
    assert not recwarn.list


@pytest.mark.parametrize(("shift", "background"), [(0.0, -1100.0), (2000.0, 0.0)])
def test_nan_around_a_mask_is_background(shift, background, tmp_path):
    image = np.where(CIRCLE, ct() + shift, np.nan)
    image[12, 12, 5] = np.nan
    expected = min(np.nanmin(image), 0.0)
    with pytest.warns(InputWarning, match=rf"{(~CIRCLE).sum() + 1} voxels of 6912 are NaN, 1 of them inside,"):
        found = input_image(write(tmp_path / "a.nii", image.astype(np.float32)))[0].numpy()
    np.testing.assert_allclose(found[~CIRCLE], expected, rtol=1e-5)
    assert found[12, 12, 5] == found[0, 0, 0]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_inside_and_infinity_are_refused_also_in_a_tensor(value):
    image = torch.from_numpy(ct()).float()[None]
    image[0, 10, 10, 5] = value
    with pytest.raises(ValueError, match="image: expected finite voxels, found 1 NaN or infinite of 6912"):
        input_image(MetaTensor(image, affine=torch.eye(4)))


def test_a_tensor_in_another_space_is_refused():
    image = MetaTensor(torch.from_numpy(ct()).float()[None], affine=torch.eye(4), meta={"space": "LPS"})
    with pytest.raises(ValueError, match="image: expected an affine to RAS, got one to LPS in its meta data"):
        input_image(image)
