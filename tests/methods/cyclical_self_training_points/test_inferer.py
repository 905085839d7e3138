import pytest
import torch

from common.methods.cyclical_self_training_points.image import cloud_image
from common.methods.cyclical_self_training_points.inferer import KeypointPasses
from common.methods.cyclical_self_training_points.spline import ThinPlateSpline


def clouds():
    generator = torch.Generator().manual_seed(0)
    return torch.rand(40, 3, generator=generator), torch.rand(60, 3, generator=generator)


def half_way(image):
    """Displacements that go half of the way to the point 1, 1, 1; 0 in empty slots."""
    return 0.5 * (1 - image[:, :3]) * image[:, 3:4]


def test_one_pass_is_the_network():
    image = cloud_image(*clouds())[None]
    assert torch.equal(KeypointPasses(1)(image, half_way), half_way(image))


def test_second_pass_goes_on_from_the_first():
    fixed, moving = clouds()
    image = cloud_image(fixed, moving)[None]
    displacements = KeypointPasses(2)(image, half_way)[0, :, :40].T
    assert torch.allclose(displacements, 0.75 * (1 - fixed), atol=1e-4)


def test_smooth_field_lies_between_the_passes():
    fixed, moving = clouds()
    noise = torch.randn(1, 3, 60, generator=torch.Generator().manual_seed(1))
    first, second = KeypointPasses(2, smoothing=1.0).passes(cloud_image(fixed, moving)[None], lambda image: noise)
    smooth = ThinPlateSpline(fixed, first[0, :, :40].T, 1.0)(fixed)
    assert torch.allclose(second[0, :, :40].T, smooth + noise[0, :, :40].T, atol=1e-5)


def test_no_pass_is_refused():
    with pytest.raises(ValueError, match="num_passes ≥ 1, got 0"):
        KeypointPasses(0)
