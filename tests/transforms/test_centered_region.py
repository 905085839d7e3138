import pytest
import torch
from monai.data import MetaTensor

from common.transforms.centered_region import AddAlignmentd, ToCenteredRegiond, contour_grid, padded_grid, region_grid
from common.transforms.output import DdfToFixedGridd
from common.world.grid import Grid
from common.world.resample import warp_moving


def volume(*spatial_shape, affine=None, seed=0):
    affine = torch.eye(4, dtype=torch.float64) if affine is None else affine
    values = torch.rand(1, *spatial_shape, generator=torch.Generator().manual_seed(seed))
    return MetaTensor(values, affine=affine, meta={"filename_or_obj": "some.nii.gz"})


def affine_of(spacing, origin):
    affine = torch.diag(torch.tensor([*spacing, 1.0], dtype=torch.float64))
    affine[:3, 3] = torch.tensor(origin, dtype=torch.float64)
    return affine


def test_box_of_48_voxels_has_the_documented_spacing():
    grid = region_grid(padded_grid(volume(35, 50, 36), 64), (44, 60, 46), (48, 48, 48))
    assert grid.spatial_shape == (48, 48, 48)
    assert grid.spacing == pytest.approx((44 / 48, 60 / 48, 46 / 48))


@pytest.mark.parametrize("origin", [(0, 0, 0), (30, -20, 7)])
def test_box_keeps_the_center_of_the_image_to_half_a_voxel(origin):
    image = volume(35, 50, 36, affine=affine_of((1, 1, 1), origin))
    grid = region_grid(padded_grid(image, 64), (44, 60, 46), (48, 48, 48))
    center = grid.voxel_to_world(torch.full((3,), 23.5))
    expected = torch.tensor([17.0, 24.5, 17.5]) + torch.tensor(origin)
    assert (center - expected).abs().max() <= 0.5 + 1e-9


def test_images_are_normalized_labels_and_originals_are_not():
    item = {"fixed": volume(35, 50, 36), "moving": volume(33, 44, 30, seed=1)}
    item |= {f"{key}_label": (item[key] > 0.5).float() for key in ("fixed", "moving")}
    out = ToCenteredRegiond(["fixed", "moving"])(item)
    assert torch.equal(out["moving_native"], item["moving"])
    assert sorted(out["fixed_label"].unique().tolist()) == [0, 1]
    assert out["fixed"].min() < -1
    assert torch.equal(out["fixed"].affine, out["moving"].affine)


@pytest.mark.parametrize("moving_affine", [affine_of((1, 1, 1), (80, -30, 5)), affine_of((-2, 1, 1), (9, 0, 0))])
def test_way_back_lays_the_centers_on_each_other(moving_affine):
    item = {"fixed": volume(34, 50, 36), "moving": volume(16, 40, 30, seed=1, affine=moving_affine)}
    out = ToCenteredRegiond(["fixed", "moving"])(item) | {"pred": torch.zeros(3, 48, 48, 48)}
    field = AddAlignmentd()(DdfToFixedGridd()(out))["field_mm"]
    fixed, moving = Grid.from_image(item["fixed"]), Grid.from_image(item["moving"])
    end = moving.world_to_voxel(fixed.voxel_to_world(torch.tensor([17, 25, 18])) + field[:, 17, 25, 18].double())
    assert (end - (torch.tensor(moving.spatial_shape) - 1) / 2).abs().max() <= 1.0


def test_shift_on_the_network_grid_is_the_same_shift_in_the_world():
    item = {"fixed": volume(36, 50, 36), "moving": volume(36, 50, 36, affine=affine_of((1, 1, 1), (5, 6, 7)))}
    ddf = torch.zeros(3, 48, 48, 48)
    ddf[1] = 2.0  # voxels of 1.25 mm
    out = ToCenteredRegiond(["fixed", "moving"])(item) | {"pred": ddf}
    field = AddAlignmentd()(DdfToFixedGridd()(out))["field_mm"]
    expected = torch.tensor([5.0, 6 + 2.5, 7]).view(3, 1, 1, 1).expand_as(field)
    torch.testing.assert_close(field.as_tensor(), expected)


def test_field_of_an_image_with_itself_elsewhere_warps_it_exactly():
    fixed = volume(35, 50, 36)
    moving = MetaTensor(fixed.as_tensor(), affine=affine_of((1, 1, 1), (-40, 3, 2)))
    out = ToCenteredRegiond(["fixed", "moving"])({"fixed": fixed, "moving": moving})
    out = AddAlignmentd()(DdfToFixedGridd()(out | {"pred": torch.zeros(3, 48, 48, 48)}))
    warped = warp_moving(moving, Grid.from_image(moving), out["field_mm"], Grid.from_image(fixed))
    torch.testing.assert_close(warped, fixed.as_tensor(), atol=1e-4, rtol=0)


def test_contour_box_is_the_label_with_its_margin():
    label = MetaTensor(torch.zeros(1, 30, 30, 30), affine=torch.eye(4))
    label[0, 5:15, 8:12, 20:28] = 2
    grid = contour_grid(label, padded_grid(label, 64), 2, (14, 16, 24))
    assert grid.spacing == pytest.approx((1.0, 0.5, 0.5))
    assert grid.affine[0, 3].item() == pytest.approx(3.0)


def in_one_world(fixed_affine, moving_affine, **options):
    """Two images of one patient: the same function of the world position, z-scores unlike."""
    item = {"fixed": volume(30, 30, 30, affine=fixed_affine), "moving": volume(40, 40, 40, affine=moving_affine)}
    for image, factor in zip(item.values(), (1.0, 7.0), strict=True):
        voxels = torch.stack(torch.meshgrid([torch.arange(size) for size in image.shape[1:]], indexing="ij"), -1)
        points = Grid.from_image(image).voxel_to_world(voxels)
        image[:] = factor * (points / torch.tensor([9.0, 7.0, 8.0])).sin().sum(-1).float()
    options = {"pad_mm": 64, "box_mm": (24, 24, 24), "spatial_shape": 16, "alignment": "world"} | options
    return ToCenteredRegiond(["fixed", "moving"], **options)(item)


def test_aligned_in_the_world_both_images_show_the_same_place():
    out = in_one_world(affine_of((1, 1, 1), (5, 6, 7)), affine_of((-1, 1, 1), (38, 0, 0)))
    assert torch.equal(out["alignment"], torch.eye(4, dtype=torch.float64))
    assert out["fixed"].std(correction=0).item() == pytest.approx(1, abs=1e-5)
    torch.testing.assert_close(out["fixed"].as_tensor(), out["moving"].as_tensor(), atol=0.05, rtol=0)


def test_aligned_by_centers_they_do_not():
    out = in_one_world(affine_of((1, 1, 1), (5, 6, 7)), affine_of((-1, 1, 1), (38, 0, 0)), alignment="center")
    assert (out["fixed"] - out["moving"]).abs().max() > 0.5


def test_aligned_in_the_world_only_the_fixed_image_must_fit_the_pad():
    assert in_one_world(torch.eye(4), affine_of((2, 2, 2), (-20, -20, -20)), pad_mm=32)["moving"].shape[1:] == (16,) * 3


def test_z_score_of_the_box_leaves_out_what_no_image_covers():
    moving_affine = affine_of((1, 1, 1), (16, -5, -5))  # begins in the middle of the fixed one
    out = in_one_world(torch.eye(4), moving_affine)
    covered = out["moving"][:, 9:]
    assert (out["moving"][:, :8] == 0).all()
    assert covered.mean().item() == pytest.approx(0, abs=1e-5)
    assert covered.std(correction=0).item() == pytest.approx(1, abs=1e-5)


def test_fine_image_is_averaged_rather_than_sampled():
    image = volume(96, 96, 96, affine=affine_of((0.5, 0.5, 0.5), (0, 0, 0)))
    image[:] = 0.0
    image[0, ::4, :48] = 1.0  # planes a quarter as wide as a voxel of the grid, here, their mean there
    image[0, :, 48:] = 0.25
    image[0, :, :, 80:] = 10.0
    out = ToCenteredRegiond("image", pad_mm=64, box_mm=(48, 48, 48), spatial_shape=24)({"image": image})["image"]
    torch.testing.assert_close(out[0, 2:22, 2:10, 12], out[0, 2:22, 14:22, 12], atol=1e-5, rtol=0)


@pytest.mark.parametrize("alignment", ["center", "world"])
def test_label_of_another_shape_is_refused(alignment):
    item = {"fixed": volume(35, 50, 36), "moving": volume(35, 50, 36), "moving_label": volume(35, 50, 35)}
    with pytest.raises(ValueError, match=r"some\.nii\.gz: expected the shape of its image"):
        ToCenteredRegiond(["fixed", "moving"], alignment=alignment)(item)


def test_image_elsewhere_in_the_world_is_refused():
    with pytest.raises(ValueError, match=r"some\.nii\.gz: expected an image that reaches into the box"):
        in_one_world(torch.eye(4), affine_of((1, 1, 1), (500, 0, 0)))


def test_unknown_alignment_is_refused():
    with pytest.raises(ValueError, match="alignment: expected one of center, world, got 'centre'"):
        ToCenteredRegiond("image", alignment="centre")


def test_image_larger_than_the_pad_is_refused():
    with pytest.raises(ValueError, match=r"some\.nii\.gz: expected at most pad_mm = 64 mm per axis"):
        ToCenteredRegiond("image")({"image": volume(65, 20, 20)})


def test_constant_image_is_refused():
    image = volume(35, 50, 36)
    image[:] = 4.0
    with pytest.raises(ValueError, match=r"some\.nii\.gz: expected an image with some contrast, got 4 everywhere"):
        ToCenteredRegiond("image")({"image": image})


def test_contour_crop_without_a_label_is_refused():
    with pytest.raises(
        ValueError, match=r"some\.nii\.gz: expected a label under 'label' for contour_margin_mm = 3, got none"
    ):
        ToCenteredRegiond("image", contour_margin_mm=3)({"image": volume(35, 50, 36)})


@pytest.mark.parametrize("margin", [2.4, -5])
def test_a_margin_out_of_range_is_refused(margin):
    with pytest.raises(ValueError, match="contour_margin_mm: expected −1 or a whole number from 0 on"):
        ToCenteredRegiond("image", contour_margin_mm=margin)


def test_a_label_thinner_than_a_millimeter_is_found():
    affine = torch.diag(torch.tensor([0.4, 1.0, 1.0, 1.0]))
    label = MetaTensor(torch.zeros(1, 60, 30, 30), affine=affine)
    label[0, 31, 10:20, 5:25] = 1
    grid = contour_grid(label, padded_grid(label, 64), 1, (3, 12, 22))
    middle = grid.voxel_to_world(torch.tensor([1.0, 5.5, 10.5]))
    assert grid.spatial_shape == (3, 12, 22)
    assert (middle - torch.tensor([31 * 0.4, 14.5, 14.5])).abs().max() <= 0.5
