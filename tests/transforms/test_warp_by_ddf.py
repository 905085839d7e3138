import torch
from torch._subclasses import FakeTensorMode

from common.transforms.warp_by_ddf import WarpByDdfd


def test_the_moving_image_is_pulled_back():
    moving = torch.arange(5.0).expand(1, 5, 5)
    ddf = torch.stack([torch.zeros(5, 5), torch.ones(5, 5)])  # one voxel along the last axis
    assert WarpByDdfd()({"moving": moving, "pred": ddf})["warped"][0, 0].tolist() == [1, 2, 3, 4, 4]


def test_the_field_may_be_on_another_device_than_the_image():
    with FakeTensorMode():  # tensors without values, where two devices do not mix
        item = {"moving": torch.zeros(1, 4, 4, 4), "pred": torch.zeros(3, 4, 4, 4, device="meta")}
        assert WarpByDdfd()(item)["warped"].device.type == "cpu"
