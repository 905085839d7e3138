import pytest
import torch

from common.methods.mcd_pemd.patches import (
    PatchPairDataset,
    PatchSource,
    Sampling,
    class_offsets,
    draw_pairs,
    patch_coordinates,
    patch_lattice,
)
from common.randomness import sample_generator

SHAPES = torch.tensor([[100, 120, 40], [90, 110, 50]])
STILL = Sampling(affine_sd=0.0)


def draws(count, sampling=STILL, seed=0):
    return draw_pairs(SHAPES, [sample_generator(seed, 0, index) for index in range(count)], sampling)


def volumes(generator, count=2):
    return [torch.rand(1, 60, 60, 20, generator=generator) + 0.1 for _ in range(count)]


def dataset(generator, **options):
    source = PatchSource(volumes(generator), "volume")
    return PatchPairDataset(source, source, **{"num_pairs": 12, **options})


def test_a_patch_spans_77_voxels_in_39_samples():
    lattice = patch_lattice()
    assert lattice.shape == (39, 39, 3)
    assert lattice[0, 0].tolist() == [-38, -38, 0]
    assert lattice[-1, -1].tolist() == [38, 38, 0]


@pytest.mark.parametrize(("spatial_dims", "num_classes"), [(2, 25), (3, 125)])
def test_items_are_pairs_with_a_class(spatial_dims, num_classes, generator):
    item = dataset(generator, sampling=Sampling(spatial_dims))[3]
    assert item["image"].shape == (2, *[39] * spatial_dims)
    assert 0 <= item["label"] < num_classes


def test_the_moving_patch_lies_at_the_offset_of_its_class():
    pairs = draws(50)
    coordinates = patch_coordinates(pairs, STILL)
    shift = (coordinates[:, 1] - coordinates[:, 0]).mean(dim=(1, 2))
    torch.testing.assert_close(shift[:, :2], class_offsets()[pairs.label], atol=1e-3, rtol=0)
    torch.testing.assert_close(shift[:, 2], torch.zeros(50), atol=1e-3, rtol=0)


def test_an_affine_acts_about_the_center_of_its_patch():
    """x ↦ 2x in coordinates of −1 … 1 takes the voxel at distance d from the center of the patch to distance 2d."""
    pairs = draws(4)
    before = patch_coordinates(pairs, STILL)
    pairs.affines = pairs.affines * 2
    middle = before[:, :, 19:20, 19:20]
    torch.testing.assert_close(patch_coordinates(pairs, STILL) - middle, 2 * (before - middle), atol=1e-3, rtol=0)


def test_a_translation_is_measured_in_halves_of_a_patch():
    pairs = draws(4)
    before = patch_coordinates(pairs, STILL)
    pairs.affines[:, 1, 0, 3] += 0.5
    shift = patch_coordinates(pairs, STILL) - before
    torch.testing.assert_close(shift[:, 1, ..., 0], torch.full_like(shift[:, 1, ..., 0], 19.0), atol=1e-3, rtol=0)
    assert shift[:, 0].abs().max() == 0


def test_the_class_is_the_displacement_nearest_to_that_of_the_patch_centers():
    pairs = draws(500, Sampling())
    centers = patch_coordinates(pairs, Sampling())[:, :, 19, 19, :2]
    distance = (class_offsets() - (centers[:, 1] - centers[:, 0])[:, None]).norm(dim=2)
    assert (distance.argmin(dim=1) == pairs.label).float().mean() > 0.995


def test_patches_read_the_volume_at_every_second_voxel():
    ramp = torch.arange(100.0)[:, None, None].expand(1, 100, 120, 40) + 1
    patches = PatchSource([ramp], "volume").read(0, patch_lattice()[None] + torch.tensor([50.0, 60.0, 20.0]))
    steps = patches[0].diff(dim=0)
    torch.testing.assert_close(steps, steps[:1, :1].expand_as(steps), atol=1e-4, rtol=0)
    torch.testing.assert_close(steps[0, 0], torch.tensor(2.0) / ramp.std(), atol=1e-4, rtol=0)


def test_class_and_center_are_independent():
    pairs = draws(4000)
    left = pairs.center[:, 0] / SHAPES[pairs.subject, 0] < 0.5
    counts = torch.stack([torch.bincount(pairs.label[side], minlength=25) for side in (left, ~left)]).double()
    expected = counts.sum(1, keepdim=True) * counts.sum(0) / counts.sum()
    assert ((counts - expected) ** 2 / expected).sum() < 43  # 99th percentile of χ² with 24 degrees of freedom


def test_same_seed_same_pairs_whatever_the_order(generator):
    data = volumes(generator)
    source = PatchSource(data, "patch")
    first, second = (PatchPairDataset(source, source, num_pairs=12, seed=5) for _ in range(2))
    forward, backward = [first[i] for i in range(12)], [second[i] for i in reversed(range(12))][::-1]
    for one, other in zip(forward, backward, strict=True):
        assert one["label"] == other["label"]
        torch.testing.assert_close(one["image"], other["image"])


def test_another_seed_brings_other_pairs(generator):
    data = volumes(generator)
    source = PatchSource(data, "patch")
    labels = [[PatchPairDataset(source, source, 30, seed)[i]["label"] for i in range(30)] for seed in (0, 1)]
    assert labels[0] != labels[1]


@pytest.mark.parametrize("fresh_pairs", [False, True])
def test_epochs_differ_only_with_fresh_pairs(fresh_pairs, generator):
    data = dataset(generator, num_pairs=30, fresh_pairs=fresh_pairs)
    labels = []
    for epoch in (1, 2, 1):
        data.set_epoch(epoch)
        labels.append([data[i]["label"] for i in range(30)])
    assert (labels[0] == labels[1]) is not fresh_pairs
    assert labels[0] == labels[2]


@pytest.mark.parametrize(("blank", "channel"), [("fixed", 0), ("moving", 1)])
def test_a_blank_patch_is_zero_and_the_other_is_not(blank, channel, generator):
    image = dataset(generator, sampling=Sampling(blank=blank))[0]["image"]
    assert image[channel].abs().max() == 0
    assert image[1 - channel].abs().max() > 0


def test_unknown_words_are_refused():
    with pytest.raises(ValueError, match="blank: expected '', 'fixed' or 'moving', got 'both'"):
        Sampling(blank="both")
    with pytest.raises(ValueError, match="normalization: expected 'volume' or 'patch', got 'global'"):
        PatchSource([torch.rand(1, 4, 4, 4)], "global")


def test_different_grids_are_refused():
    sources = [PatchSource([torch.rand(1, 8, 8, size)], "patch") for size in (8, 9)]
    with pytest.raises(ValueError, match="same grids"):
        PatchPairDataset(*sources)


def test_a_constant_volume_is_refused():
    with pytest.raises(ValueError, match="constant"):
        PatchSource([torch.ones(1, 4, 4, 4)], "volume")
