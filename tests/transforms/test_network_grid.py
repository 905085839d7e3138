import pickle

import nibabel as nib
import pytest
import torch
from monai.data import DataLoader, Dataset, MetaTensor, decollate_batch
from monai.transforms import SaveImage
from torch.testing import assert_close

from common.transforms.network_grid import ToNetworkGridd
from common.world.grid import Grid, on_grid
from common.world.network_grid import network_grid

LAS_2MM = torch.diag(torch.tensor([-2.0, 2.0, 2.0, 1.0], dtype=torch.float64))


@pytest.fixture
def pair(generator):
    """A fixed LAS image of 2 mm and a moving RAS image of 1 mm and another size."""
    fixed = torch.rand(1, 10, 12, 14, generator=generator)
    moving = torch.rand(1, 22, 20, 24, generator=generator)
    return {
        "fixed": MetaTensor(fixed, affine=LAS_2MM, meta={"filename_or_obj": "fixed.nii.gz"}),
        "moving": MetaTensor(moving, affine=torch.eye(4), meta={"filename_or_obj": "moving.nii.gz"}),
    }


def test_both_images_lie_on_the_network_grid_of_the_fixed_image(pair):
    item = ToNetworkGridd(["fixed", "moving"], spacing=1.5, divisible_by=8)(pair)
    expected = network_grid(Grid.from_image(pair["fixed"]), spacing=1.5, divisible_by=8)
    for key in ("fixed", "moving"):
        assert tuple(item[key].shape) == (1, *expected.spatial_shape)
        assert_close(item[key].affine, expected.affine)


def test_original_images_are_kept_as_they_were(pair):
    item = ToNetworkGridd(["fixed", "moving"], spacing=1.5)(pair)
    for key in ("fixed", "moving"):
        assert torch.equal(item[f"{key}_native"], pair[key])
        assert torch.equal(item[f"{key}_native"].affine, pair[key].affine)


def test_fixed_image_without_a_new_spacing_is_only_reoriented(pair):
    item = ToNetworkGridd(["fixed"])(pair)
    assert_close(item["fixed"].as_tensor(), pair["fixed"].as_tensor().flip(1), atol=1e-5, rtol=0)


def test_label_maps_keep_their_labels_under_nearest(pair):
    labels = {**pair, "fixed_label": MetaTensor((pair["fixed"].as_tensor() > 0.5) * 3.0, affine=LAS_2MM)}
    transform = ToNetworkGridd(["fixed", "fixed_label"], spacing=1.3, mode=["bilinear", "nearest"])
    assert set(transform(labels)["fixed_label"].unique().tolist()) == {0.0, 3.0}


def test_each_key_has_its_background(pair):
    transform = ToNetworkGridd(["fixed", "moving"], spatial_shape=40, background=[-1000.0, None])
    item = transform(pair)
    assert item["fixed"][0, 0, 0, 0] == -1000
    assert item["moving"].min() >= 0


def test_missing_keys_are_passed_over_where_allowed(pair):
    transform = ToNetworkGridd(["fixed", "fixed_label"], allow_missing_keys=True)
    assert "fixed_label" not in transform(pair)


def test_pair_of_different_sizes_passes_a_data_loader_with_workers(pair):
    dataset = Dataset([pair], pickle.loads(pickle.dumps(ToNetworkGridd(["fixed", "moving"], spacing=2.0))))
    item = decollate_batch(next(iter(DataLoader(dataset, batch_size=1, num_workers=1))))[0]
    assert torch.equal(item["moving_native"], pair["moving"])
    assert_close(item["fixed_native"].affine, LAS_2MM)
    assert_close(item["fixed"].affine[:3, :3], 2 * torch.eye(3, dtype=torch.float64))


def test_monai_saves_a_volume_on_its_new_grid(pair, tmp_path):
    old = pair["fixed"]
    old.meta["original_affine"] = LAS_2MM.numpy()
    volume = on_grid(torch.ones(1, 3, 4, 5), Grid((3, 4, 5), torch.eye(4)), like=old)
    SaveImage(tmp_path, separate_folder=False, resample=True, print_log=False)(volume)
    saved = nib.load(tmp_path / "fixed_trans.nii.gz")
    assert saved.shape == (3, 4, 5)
    assert saved.affine.tolist() == torch.eye(4).tolist()


def test_unknown_fixed_key_is_named():
    with pytest.raises(ValueError, match=r"one of the keys \('moving',\), got 'fixed'"):
        ToNetworkGridd(["moving"])


def test_image_with_a_zero_affine_is_named(pair):
    pair["moving"].affine = torch.zeros(4, 4)
    with pytest.raises(ValueError, match=r"moving\.nii\.gz: .*zero affine"):
        ToNetworkGridd(["fixed", "moving"])(pair)
