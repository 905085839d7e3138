import nibabel as nib
import numpy as np
import pytest
import torch
from monai.data import DataLoader, Dataset, MetaTensor
from monai.engines import SupervisedEvaluator
from monai.transforms import Compose, ConcatItemsd, LoadImaged
from torch._subclasses import FakeTensorMode
from torch.testing import assert_close

from common.transforms.network_grid import ToNetworkGridd
from common.transforms.output import DdfToFixedGridd, SaveRegistrationd, WarpByDdfd, WarpMovingd, save_pair, warp_pair
from common.world.files import load_field
from common.world.grid import Grid, on_grid

LAS_2MM = torch.diag(torch.tensor([-2.0, 2.0, 2.0, 1.0], dtype=torch.float64))


class ShiftOneVoxel(torch.nn.Module):
    """Network whose field is one voxel along the first axis of its grid."""

    def forward(self, image):
        ddf = image.new_zeros(image.shape[0], 3, *image.shape[2:])
        ddf[:, 0] = 1.0
        return ddf


@pytest.fixture
def item(generator):
    """A fixed LAS and a moving RAS image with their network grid of 2 mm, and a ddf on it."""
    fixed = MetaTensor(torch.rand(1, 10, 12, 14, generator=generator), affine=LAS_2MM)
    moving = MetaTensor(torch.rand(1, 40, 40, 40, generator=generator) + 1, affine=torch.eye(4))
    moving.affine[0, 3] = -30.0
    moving.meta["filename_or_obj"] = "moving.nii.gz"
    item = ToNetworkGridd(["fixed", "moving"])({"fixed": fixed, "moving": moving})
    return {**item, "pred": torch.ones(3, *item["fixed"].shape[1:])}


def test_field_lies_on_the_fixed_images_own_grid_in_world_millimeters(item):
    field_mm = DdfToFixedGridd()(item)["field_mm"]
    assert_close(field_mm.as_tensor(), torch.full((3, 10, 12, 14), 2.0))
    assert_close(field_mm.affine, LAS_2MM)


def test_field_in_voxels_of_the_fixed_image_points_along_its_axes(item):
    native_ddf = DdfToFixedGridd(native_ddf_key="ddf")(item)["ddf"]
    assert_close(native_ddf[:, 0, 0, 0].as_tensor(), torch.tensor([-1.0, 1.0, 1.0]))


def test_warped_image_lies_on_the_fixed_grid_with_its_affine(item):
    warped = WarpMovingd()(DdfToFixedGridd()(item))["warped"]
    assert tuple(warped.shape) == (1, 10, 12, 14)
    assert_close(warped.affine, LAS_2MM)
    assert warped.meta["filename_or_obj"] == "moving.nii.gz"


def test_moving_image_is_read_from_its_own_grid(item):
    # Fixed voxel (3, 2, 1) lies at (−6, 4, 2) mm, moves by 2 mm to (−4, 6, 4), which is moving voxel (26, 6, 4).
    warped = WarpMovingd()(DdfToFixedGridd()(item))["warped"]
    assert warped[0, 3, 2, 1].item() == pytest.approx(item["moving_native"][0, 26, 6, 4].item(), abs=1e-4)


@pytest.mark.parametrize(("lowest", "outside"), [(-1000.0, -1000.0), (5.0, 0.0)])
def test_minimum_as_background_is_that_of_the_image_or_0_where_it_has_none_below(lowest, outside, item):
    moving = item["moving_native"]
    item["moving_native"] = moving - moving.min() + lowest
    item = DdfToFixedGridd()(item)
    item["field_mm"][:, 0, 0, 0] = 500.0
    assert WarpMovingd(background="minimum")(item)["warped"][0, 0, 0, 0].item() == outside


def test_images_and_labels_are_warped_in_their_own_way(item):
    item["moving_label_native"] = (item["moving_native"] > 1.5) * 4.0
    warp = WarpMovingd(["moving", "moving_label"], output_keys=["a", "b"], mode=["bilinear", "nearest"])
    result = warp(DdfToFixedGridd()(item))
    assert set(result["b"].unique().tolist()) == {0.0, 4.0}
    assert len(result["a"].unique()) > 100


def test_missing_moving_label_is_passed_over_where_allowed(item):
    warp = WarpMovingd(["moving", "moving_label"], output_keys=["a", "b"], allow_missing_keys=True)
    assert "b" not in warp(DdfToFixedGridd()(item))


def test_saved_files_hold_warped_image_label_and_field(item, tmp_path):
    result = WarpMovingd()(DdfToFixedGridd()(item))
    result.update(name="subject/t1", warped_label=result["warped"] > 1.5)
    SaveRegistrationd(["warped", "warped_label"], tmp_path, dtype=["float32", "uint8"])(result)
    folder = tmp_path / "subject" / "t1"
    assert sorted(path.name for path in folder.iterdir()) == ["field.nii.gz", "warped.nii.gz", "warped_label.nii.gz"]
    assert nib.load(folder / "warped_label.nii.gz").get_data_dtype() == np.uint8
    assert_close(load_field(folder / "field.nii.gz")[0], result["field_mm"].as_tensor())


@pytest.mark.parametrize(("number", "dtype"), [(255, "uint8"), (614454277, "int32"), (2**33 + 1, "int64")])
def test_labels_of_a_pair_keep_their_numbers_in_the_smallest_type(number, dtype, item, tmp_path):
    native = item["moving_native"]
    item["moving_label_native"] = on_grid((native.as_tensor() > 1.5).long() * number, Grid.from_image(native), native)
    save_pair(tmp_path)(warp_pair()(DdfToFixedGridd()(item)))
    written = nib.load(tmp_path / "warped_label.nii.gz")
    assert written.get_data_dtype() == dtype
    assert np.unique(np.asarray(written.dataobj)).tolist() == [0, number]


def test_engine_registers_a_pair_of_files_from_end_to_end(item, tmp_path):
    for key in ("fixed", "moving"):
        native = item[f"{key}_native"]
        nib.save(nib.Nifti1Image(native[0].numpy(), native.affine.numpy()), tmp_path / f"{key}.nii.gz")
    files = {key: str(tmp_path / f"{key}.nii.gz") for key in ("fixed", "moving")}
    keys = ["fixed", "moving"]
    before = [LoadImaged(keys, ensure_channel_first=True), ToNetworkGridd(keys), ConcatItemsd(keys, "image")]
    after = [DdfToFixedGridd(), WarpMovingd(), SaveRegistrationd("warped", tmp_path / "out")]
    loader = DataLoader(Dataset([files], Compose(before)), batch_size=1)
    SupervisedEvaluator("cpu", loader, ShiftOneVoxel(), postprocessing=Compose(after), decollate=True).run()
    field_mm, grid = load_field(tmp_path / "out" / "field.nii.gz")
    assert_close(field_mm, torch.tensor([2.0, 0, 0]).view(3, 1, 1, 1).expand(3, 10, 12, 14))
    assert_close(grid.affine, LAS_2MM)
    assert nib.load(tmp_path / "out" / "warped.nii.gz").shape == (10, 12, 14)


def test_ddf_of_another_shape_than_its_grid_is_named(item):
    item["pred"] = torch.zeros(3, 5, 6, 7)
    with pytest.raises(ValueError, match=r"expected ddf of shape \(3, 10, 12, 14\).*got \(3, 5, 6, 7\)"):
        DdfToFixedGridd()(item)


def test_wrong_number_of_output_keys_is_named():
    with pytest.raises(ValueError, match=r"expected 2 output_keys, got \('warped',\)"):
        WarpMovingd(["moving", "moving_label"])


def test_unknown_word_as_background_is_named():
    with pytest.raises(ValueError, match="background: expected a number, None or 'minimum', got 'zero'"):
        WarpMovingd(background="zero")


@pytest.mark.parametrize("name", ["../elsewhere", "/elsewhere"])
def test_name_that_leads_out_of_the_output_folder_is_refused(name, item, tmp_path):
    with pytest.raises(ValueError, match=r"expected 'name' to name a folder inside .*elsewhere"):
        SaveRegistrationd("fixed", tmp_path / "out", field_key=None)({**item, "name": name})
    assert not (tmp_path / "elsewhere").exists()


def test_the_moving_image_is_pulled_back():
    moving = torch.arange(5.0).expand(1, 5, 5)
    ddf = torch.stack([torch.zeros(5, 5), torch.ones(5, 5)])  # one voxel along the last axis
    assert WarpByDdfd()({"moving": moving, "pred": ddf})["warped"][0, 0].tolist() == [1, 2, 3, 4, 4]


def test_the_field_may_be_on_another_device_than_the_image():
    with FakeTensorMode():  # tensors without values, where two devices do not mix
        item = {"moving": torch.zeros(1, 4, 4, 4), "pred": torch.zeros(3, 4, 4, 4, device="meta")}
        assert WarpByDdfd()(item)["warped"].device.type == "cpu"
