import torch

from common.methods.cyclical_self_training_points.motion import (
    random_field_motion,
    random_similarity,
    rigid_motion,
    transform_pair,
)


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


def draw(seed=0):
    return random_similarity(torch.Generator().manual_seed(seed))


def clouds():
    generator = torch.Generator().manual_seed(1)
    return [torch.rand(30, 3, generator=generator) for _ in range(2)]


def test_bounds_hold():
    for seed in range(50):
        matrix, shift = draw(seed)
        scale = torch.linalg.det(matrix) ** (1 / 3)
        angles = torch.linalg.matrix_norm(matrix / scale - torch.eye(3))
        assert 0.9 <= scale <= 1.1
        assert shift.abs().max() <= 0.1
        assert angles < 0.45


def test_label_leads_to_the_transformed_partner():
    fixed, displacements = clouds()
    partner = fixed + displacements
    moved, moved_partner, label = transform_pair(fixed, partner, displacements, *draw())
    assert torch.allclose(moved + label, moved_partner, atol=1e-6)


def test_label_without_rotation_is_caught():
    fixed, displacements = clouds()
    matrix, shift = draw()
    moved, moved_partner, _ = transform_pair(fixed, fixed + displacements, displacements, matrix, shift)
    assert not torch.allclose(moved + displacements, moved_partner, atol=1e-3)


def test_similarity_keeps_the_nearest_neighbors():
    fixed, moving = clouds()
    moved, other, _ = transform_pair(fixed, moving, fixed, *draw())
    assert torch.equal(torch.cdist(fixed, moving).argmin(1), torch.cdist(moved, other).argmin(1))


def test_generator_decides_the_draw():
    assert all(torch.equal(a, b) for a, b in zip(draw(3), draw(3), strict=True))
