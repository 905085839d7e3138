import numpy as np
import torch
from monai.data import MetaTensor

from common.registration.report.marks import label_codes, marks
from common.world.grid import Grid
from common.world.maps import WorldMap


def shifted(label, mm):
    """A map of world points that moves by whole millimeters along the first axis, and its label maps."""
    image = MetaTensor(torch.rand(1, 12, 10, 8), affine=torch.eye(4))
    field = torch.zeros(3, 12, 10, 8)
    field[0] = mm
    return WorldMap(image, image, MetaTensor(field, affine=torch.eye(4))), MetaTensor(label, affine=torch.eye(4))


def test_the_warped_label_is_the_moving_one_pulled_back():
    volume = torch.zeros(1, 12, 10, 8)
    volume[0, 4:8, 2:6, 3:5] = 5
    world_map, label = shifted(volume, 3.0)
    found = marks(world_map, {"fixed_label": label, "moving_label": label}, world_map.grid)
    assert found.numbers == (5,)
    assert (found.labels["moving_label"].numpy() == volume[0].numpy() / 5).all()
    assert (found.labels["warped_label"].numpy() == np.roll(volume[0].numpy() / 5, -3, axis=0)).all()


def test_codes_above_a_byte_begin_again_and_large_labels_stay_apart():
    labels = torch.tensor([0, 2**24, 2**24 + 1, *range(1, 256)], dtype=torch.float64)
    numbers, codes = label_codes({"fixed_label": labels})
    assert numbers[-2:] == (2**24, 2**24 + 1)
    assert codes["fixed_label"].tolist() == [0, 1, 2, *range(1, 256)]


def test_integers_that_float32_cannot_hold_stay_apart_through_the_sampling():
    volume = torch.zeros(1, 12, 10, 8, dtype=torch.int64)
    volume[0, 2:4, 2:4, 2:4], volume[0, 6:8, 6:8, 6:8] = 2**24, 2**24 + 1
    world_map, label = shifted(volume, 0.0)
    assert marks(world_map, {"moving_label": label}, world_map.grid).numbers == (2**24, 2**24 + 1)


def test_points_lie_where_the_pictures_show_their_place(warped_noise, annotations):
    grid = Grid((32, 40, 36), torch.diag(torch.tensor([2.0, 2.0, 2.0, 1.0])))
    points = marks(warped_noise, annotations, grid).points
    moving = annotations["moving_points"].points_mm
    assert points["fixed_points"].equal(annotations["fixed_points"].points_mm / 2)
    assert points["moving_points"].equal(moving / 2)
    there = warped_noise.move_points(points["warped_points"] * 2)
    assert (there - moving).norm(dim=1).max() < 0.1


def test_without_annotations_there_is_nothing_to_draw(warped_noise):
    found = marks(warped_noise, {}, warped_noise.grid)
    assert (found.numbers, found.labels, found.points) == ((), {}, {})
