import pytest
import torch
from monai.data import MetaTensor

from common.methods.cyclical_self_training_points.foerstner import distinctiveness, foerstner_keypoints

SHAPE = (24, 22, 20)


def ball(center, affine=None):
    axes = torch.meshgrid(*[torch.arange(float(size)) for size in SHAPE], indexing="ij")
    distance = sum((axis - middle) ** 2 for axis, middle in zip(axes, center, strict=True))
    image = -900 + 900 * torch.exp(-distance / 8)
    return MetaTensor(image[None], affine=torch.eye(4) if affine is None else affine)


def mask():
    return torch.ones(SHAPE, dtype=torch.bool)


def test_planes_and_edges_are_not_distinctive():
    ramp = torch.arange(12.0).view(12, 1, 1).expand(12, 12, 12)
    corner = torch.zeros(12, 12, 12)
    corner[6:, 6:, 6:] = 1
    edge = torch.zeros(12, 12, 12)
    edge[6:, 6:] = 1
    inner = (slice(4, 8),) * 3
    assert distinctiveness(ramp)[inner].max() < 1e-6
    assert distinctiveness(edge)[inner].max() < 1e-6
    assert distinctiveness(corner)[inner].max() > 1e-3


def test_strength_is_one_over_the_trace_of_the_inverse():
    volume = torch.rand(9, 9, 9, generator=torch.Generator().manual_seed(0))
    swapped = distinctiveness(volume.transpose(0, 2)).transpose(0, 2)
    assert torch.allclose(distinctiveness(volume), swapped, rtol=1e-3, atol=1e-9)


def test_points_lie_around_a_ball_in_world_space():
    affine = torch.diag(torch.tensor([2.0, 2.0, 2.0, 1.0], dtype=torch.float64))
    affine[:3, 3] = torch.tensor([-10.0, 5.0, 7.0])
    points = foerstner_keypoints(ball((12, 10, 9), affine), mask(), spacing_mm=2.0)
    center = torch.tensor([12.0, 10.0, 9.0]) * 2 + affine[:3, 3]
    assert len(points) > 0
    assert (points.mean(0) - center).norm() < 4


def test_all_points_lie_inside_the_mask():
    half = mask()
    half[12:] = False
    noise = MetaTensor(1000 * torch.rand(1, *SHAPE, generator=torch.Generator().manual_seed(0)) - 1000)
    points = foerstner_keypoints(noise, half, spacing_mm=1.0, window=3)
    assert len(points) > 0
    assert points[:, 0].max() < 12


def test_larger_window_gives_fewer_points_and_their_number_is_bounded():
    noise = MetaTensor(1000 * torch.rand(1, *SHAPE, generator=torch.Generator().manual_seed(0)) - 1000)
    counts = [len(foerstner_keypoints(noise, mask(), 1.0, window)) for window in (3, 5, 9)]
    assert counts[0] > counts[1] > counts[2]
    assert len(foerstner_keypoints(noise, mask(), 1.0, 3, max_points=7)) == 7


@pytest.mark.parametrize("bad", [torch.zeros(SHAPE, dtype=torch.bool), torch.ones(3, 3, 3, dtype=torch.bool)])
def test_empty_or_foreign_mask_is_refused(bad):
    with pytest.raises(ValueError, match="expected a mask of shape"):
        foerstner_keypoints(ball((12, 10, 9)), bad)
