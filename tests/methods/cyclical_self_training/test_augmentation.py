import pytest
import torch

from common.fields.ddf import warp
from common.fields.lattice import lattice_positions
from common.methods.cyclical_self_training.augmentation import (
    AugmentLabeledPair,
    affine_label,
    apply_affine,
    random_affine_pair,
    released_label,
    voxel_affine,
)

SHAPE = [24, 32, 20]


def smooth_image(seed=0, channels=1):
    volume = torch.randn(1, channels, *SHAPE, generator=torch.Generator().manual_seed(seed))
    for _ in range(10):
        volume = torch.nn.functional.avg_pool3d(volume, 3, 1, 1, count_include_pad=False)
    return volume / volume.std()


def known_pair():
    """Moving image, a field, and the fixed image that this field gives."""
    moving, ddf = smooth_image(), 1.5 * smooth_image(1, 3)
    return warp(moving, ddf), moving, ddf


def mean_error(pair, ddf):
    """How far the warped moving image is from the fixed one, inside."""
    warped = warp(pair[None, 1:], ddf[None])
    return (warped - pair[None, :1])[..., 6:-6, 6:-6, 6:-6].abs().mean().item()


def test_the_label_registers_the_augmented_pair_as_the_field_did_the_pair():
    fixed, moving, ddf = known_pair()
    sample = AugmentLabeledPair(label_stride=1)(
        {"image": torch.cat([fixed, moving], 1)[0]}, ddf[0], torch.Generator().manual_seed(3)
    )
    zero = torch.zeros_like(sample["label"])
    assert mean_error(sample["image"], sample["label"]) < 0.1 * mean_error(sample["image"], zero)


@pytest.mark.parametrize("error", ["released", "order", "swapped"])
def test_planted_errors_are_caught(error):
    _, _, ddf = known_pair()
    maps = [voxel_affine(a, SHAPE) for a in random_affine_pair(torch.Generator().manual_seed(3))]
    wrong = {
        "released": lambda: released_label(ddf[0], *maps),
        "order": lambda: ddf[0] + affine_label(0 * ddf[0], *maps),
        "swapped": lambda: affine_label(ddf[0], *maps[::-1]),
    }[error]()
    difference = (wrong - affine_label(ddf[0], *maps))[:, 6:-6, 6:-6, 6:-6]
    assert difference.norm(dim=0).mean() > 0.3


def test_an_affine_field_has_its_closed_form_on_every_stride():
    first, second = (voxel_affine(a, SHAPE).float() for a in random_affine_pair(torch.Generator().manual_seed(0)))
    shift = torch.tensor([1.0, -2.0, 0.5]).view(3, 1, 1, 1)
    for stride in (1, 2):
        nodes = [size // stride for size in SHAPE]
        positions = lattice_positions(nodes, stride, 0.0)
        expected = apply_affine(torch.linalg.inv(second), apply_affine(first, positions) + shift) - positions
        assert torch.allclose(affine_label(shift.expand(3, *nodes), first, second, stride), expected, atol=1e-4)


def test_equal_maps_without_motion_give_a_zero_label():
    first, _ = random_affine_pair(torch.Generator().manual_seed(0))
    label = affine_label(torch.zeros(3, *SHAPE), voxel_affine(first, SHAPE), voxel_affine(first, SHAPE))
    assert label.abs().max() < 1e-4


def test_the_last_row_of_both_maps_is_affine():
    for affine in random_affine_pair(torch.Generator().manual_seed(0)):
        assert affine[3].tolist() == [0.0, 0.0, 0.0, 1.0]


def test_the_center_of_the_image_is_the_origin_of_the_maps():
    turned = voxel_affine(torch.diag(torch.tensor([-1.0, -1.0, 1.0, 1.0]).double()), SHAPE)
    corner = apply_affine(turned, torch.zeros(3, 1, 1, 1)).flatten()
    assert corner.tolist() == [23.0, 31.0, 0.0]


def test_the_same_generator_gives_the_same_sample():
    item, label = {"image": torch.rand(2, *SHAPE)}, torch.rand(3, *(size // 2 for size in SHAPE))
    first, second = (AugmentLabeledPair()(item, label, torch.Generator().manual_seed(1)) for _ in range(2))
    assert torch.equal(first["image"], second["image"])
    assert torch.equal(first["label"], second["label"])


def test_without_augmentation_the_pair_stays_as_it_is():
    item, label = {"image": torch.rand(2, 4, 4, 4)}, torch.rand(3, 2, 2, 2)
    sample = AugmentLabeledPair(enabled=False)(item, label, torch.Generator())
    assert torch.equal(sample["image"], item["image"])
    assert sample["label"] is label


def test_an_unknown_formula_is_an_error():
    with pytest.raises(ValueError, match="formula of exact, released, got 'other'"):
        AugmentLabeledPair(formula="other")


def test_structures_go_with_their_images():
    structures = torch.zeros(2, 16, 16, 16)
    structures[0, 3:9, 4:12, 5:13], structures[1, 6:12, 2:9, 4:10] = 1.0, 2.0
    item = {"image": structures.clone(), "structures": structures}
    sample = AugmentLabeledPair()(item, torch.zeros(3, 8, 8, 8), torch.Generator().manual_seed(3))
    assert set(sample["structures"].unique().tolist()) == {0.0, 1.0, 2.0}
    assert not torch.equal(sample["structures"], structures)
    for number, value in ((0, 1.0), (1, 2.0)):  # linear and nearest interpolation agree away from the half
        certain = (sample["image"][number] / value - 0.5).abs() > 0.4
        assert torch.equal(sample["structures"][number][certain], sample["image"][number][certain].round())
    assert "structures" not in AugmentLabeledPair()({"image": structures}, torch.zeros(3, 8, 8, 8), torch.Generator())


def test_structures_stay_as_they_are_without_augmentation():
    item = {"image": torch.rand(2, 4, 4, 4), "structures": torch.randint(0, 3, (2, 4, 4, 4))}
    sample = AugmentLabeledPair(enabled=False)(item, torch.rand(3, 2, 2, 2), torch.Generator())
    assert torch.equal(sample["structures"], item["structures"].float())
