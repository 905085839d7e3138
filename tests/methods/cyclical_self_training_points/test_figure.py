import torch

from common.methods.cyclical_self_training_points.figure import COLORS, keypoint_picture


def test_fixed_points_move_between_left_and_right():
    far, near = torch.full((1, 3), -0.9), torch.full((1, 3), 0.5)
    picture = keypoint_picture(far, near, near)
    red = (picture - torch.tensor(COLORS["fixed"])[:, None, None]).abs().amax(0) < 0.01
    blue = (picture - torch.tensor(COLORS["moving"])[:, None, None]).abs().amax(0) < 0.01
    left, right = slice(0, 192), slice(194, None)
    assert red[:, left].any()
    assert blue[:, left].any()
    assert red[:, right].any()
    assert not blue[:, right].any()
