import torch

from common.data.synthetic_motion import random_field_motion, rigid_motion


def cloud():
    return 2 * torch.rand(200, 3, generator=torch.Generator().manual_seed(0)) - 1


def generator():
    return torch.Generator().manual_seed(1)


def test_rigid_motion_changes_all_distances_by_one_factor():
    points = cloud()
    moved = points + rigid_motion(points, generator())
    ratio = torch.pdist(moved) / torch.pdist(points)
    assert ratio.std() < 1e-4
    assert 0.9 < ratio.mean() < 1.1


def test_random_field_is_smooth_and_small():
    points = cloud()
    motion = random_field_motion(points, generator())
    near = torch.cdist(points, points).fill_diagonal_(9).argmin(1)
    assert motion.norm(dim=1).mean() > 0.01
    assert (motion - motion[near]).norm(dim=1).mean() < 0.5 * (motion - motion.roll(1, 0)).norm(dim=1).mean()


def test_generator_decides_the_motion():
    for motion in (rigid_motion, random_field_motion):
        assert torch.equal(motion(cloud(), generator()), motion(cloud(), generator()))
