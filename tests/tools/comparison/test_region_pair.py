import pytest
import torch
from monai.data import MetaTensor

from common.tools.comparison.region_pair import RegionPair


def region_pair(shift):
    image = torch.rand(1, 20, 22, 24, generator=torch.Generator().manual_seed(0))
    label = torch.zeros(1, 20, 22, 24)
    label[0, 6:10, 6:14, 6:14], label[0, 10:14, 6:14, 6:14] = 1, 2
    volumes = [image, image.roll(shift, dims=1), label, label.roll(shift, dims=1)]
    affines = [torch.eye(4, dtype=torch.float64) for _ in range(2)]
    affines[1][:3, 3] = torch.tensor([50.0, -7.0, 3.0])
    return RegionPair(*(MetaTensor(v, affine=affines[number % 2]) for number, v in enumerate(volumes)), pad_mm=32)


def test_images_are_centered_in_the_cube():
    fixed, moving = region_pair(0).images.arrays()
    assert fixed.shape == (32, 32, 32)
    torch.testing.assert_close(fixed, moving)
    assert fixed[:6].abs().max() < 1e-5
    assert fixed[6:26, 5:27, 4:28].std() > 0.1


@pytest.mark.parametrize(("displacement", "dice"), [(0.0, 3 / 4), (1.0, 1.0)])
def test_ddf_between_the_cubes_is_scored_on_the_labels(displacement, dice):
    pair = region_pair(1)
    ddf = torch.zeros(3, 32, 32, 32)
    ddf[0] += displacement
    scores = pair.scores(pair.images.field_of(ddf))
    assert scores["dice_1"] == pytest.approx(dice)
    assert scores["folding_fraction"] == 0
