import pytest
import torch

from common.methods.mcd_pemd.inferer import (
    PatchDisplacementInferer,
    confidence,
    control_points,
    expected_displacement,
    sliding_patches,
    smooth_by_confidence,
)
from common.methods.mcd_pemd.patches import class_offsets, patch_lattice, read_patches


def certain(label, count, num_classes=25):
    return 100 * torch.nn.functional.one_hot(torch.full((count,), label), num_classes).float()


def test_field_has_the_grid_of_the_image_and_no_component_across_slices():
    image = torch.rand(1, 2, 50, 40, 8)
    ddf = PatchDisplacementInferer()(image, lambda patches: certain(3, len(patches)))
    assert ddf.shape == (1, 3, 50, 40, 8)
    assert ddf[:, 2].abs().max() == 0


@pytest.mark.parametrize("label", [0, 7, 12, 24])
def test_a_network_certain_of_one_class_gives_its_constant_field(label):
    image = torch.rand(1, 2, 50, 40, 8) + 0.1
    ddf = PatchDisplacementInferer()(image, lambda patches: certain(label, len(patches)))
    expected = -class_offsets()[label].view(2, 1, 1, 1).expand(2, 50, 40, 8)
    torch.testing.assert_close(ddf[0, :2], expected, atol=1e-3, rtol=0)


@pytest.mark.parametrize("label", [0, 38, 124])
def test_patches_in_space_give_a_field_with_three_components(label):
    image = torch.rand(1, 2, 40, 38, 36) + 0.1
    inferer = PatchDisplacementInferer(spatial_dims=3, stride_voxels=36, batch_size=4)
    ddf = inferer(image, lambda patches: certain(label, len(patches), 125))
    expected = -class_offsets(3)[label].view(1, 3, 1, 1, 1).expand(1, 3, 40, 38, 36)
    torch.testing.assert_close(ddf, expected, atol=1e-3, rtol=0)


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_sliding_patches_are_those_read_at_their_coordinates(spatial_dims, generator):
    volume = torch.rand(1, 50, 45, 40, generator=generator)
    center = torch.tensor([[10, 3, 38], [49, 44, 0]])
    lattice = patch_lattice(spatial_dims)
    expected = read_patches(volume, center.view(2, *[1] * spatial_dims, 3) + lattice)
    patches = sliding_patches(volume, spatial_dims)[center.unbind(dim=1)]
    torch.testing.assert_close(patches, expected, atol=1e-4, rtol=0)


def test_background_gets_no_vote_and_no_network_call():
    image = torch.zeros(1, 2, 120, 40, 4)
    image[:, :, :20] = torch.rand(1, 2, 20, 40, 4) + 0.1
    seen = []
    PatchDisplacementInferer(stride_voxels=10)(image, lambda patches: seen.append(patches) or certain(0, len(patches)))
    assert (torch.cat(seen)[:, 0].flatten(1).std(dim=1) > 0).all()
    assert sum(map(len, seen)) < 8 * 5 * 2  # control points up to 60 of 119 voxels along the first axis


def test_the_field_registers_a_patch_pair_of_the_training_data():
    """moving(p + y) shows the head at c + o + y, so fixed(p + y) = moving(p + y − o): u = −o."""
    torch.testing.assert_close(expected_displacement(certain(0, 1)), -class_offsets()[:1], atol=1e-4, rtol=0)


def test_fixed_patch_is_the_first_channel():
    image = torch.rand(1, 2, 50, 40, 8) + 0.1
    seen = []
    inferer = PatchDisplacementInferer("volume", "patch", num_passes=1)
    inferer(image, lambda patches: seen.append(patches) or certain(12, len(patches)))
    means = torch.cat(seen).mean(dim=(2, 3))
    assert means[:, 1].abs().max() < 1e-4
    assert means[:, 0].abs().max() > 1e-2


def test_a_second_pass_adds_to_the_first():
    image = torch.rand(1, 2, 60, 60, 4) + 0.1
    ddf = PatchDisplacementInferer(num_passes=2)(image, lambda patches: certain(7, len(patches)))
    expected = -2 * class_offsets()[7].view(2, 1, 1, 1).expand(2, 60, 60, 4)
    torch.testing.assert_close(ddf[0, :2], expected, atol=1e-2, rtol=0)


def test_confidence_runs_from_a_guess_to_certainty():
    torch.testing.assert_close(
        confidence(torch.cat([torch.zeros(1, 25), certain(1, 1)])), torch.tensor([0.0, 1.0]), atol=1e-5, rtol=0
    )


def test_control_points_hold_both_ends_and_no_wider_gap_than_asked():
    points = control_points([31, 10, 1], [7, 3, 2])
    assert points[0, 0, 0].tolist() == [0, 0, 0]
    assert points[-1, -1, -1].tolist() == [30, 9, 0]
    assert points[..., 0].diff(dim=0).max() <= 7


def test_smoothing_keeps_a_constant_and_ignores_what_has_no_weight(generator):
    weight = torch.rand(1, 8, 8, 8, generator=generator).round()
    displacement = torch.where(weight > 0, 5.0, 1e6)
    smooth = smooth_by_confidence(displacement, weight, [1.5, 1.5, 1.5])
    torch.testing.assert_close(smooth, torch.full_like(smooth, 5.0), atol=1e-3, rtol=0)


def test_another_number_of_dimensions_is_refused():
    with pytest.raises(ValueError, match="spatial_dims: expected 2 or 3, got 4"):
        PatchDisplacementInferer(spatial_dims=4)


def test_an_affine_model_of_certain_patches_is_a_constant_field():
    image = torch.rand(1, 2, 50, 40, 8) + 0.1
    ddf = PatchDisplacementInferer(model="affine")(image, lambda patches: certain(7, len(patches)))
    expected = -class_offsets()[7].view(1, 2, 1, 1, 1).expand(1, 2, 50, 40, 8)
    torch.testing.assert_close(ddf[:, :2], expected, atol=1e-2, rtol=0)
    assert ddf[:, 2].abs().max() == 0


def test_an_unknown_model_is_refused():
    with pytest.raises(ValueError, match="model"):
        PatchDisplacementInferer(model="rigid")
