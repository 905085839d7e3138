"""Tests of the random anatomies."""

import torch

from common.data.sample.anatomy import Anatomy, Layer, coverage, label_map, random_anatomy

SHAPE = (20, 24, 22)


def ramp(*starts):
    """Functions that grow by one per voxel along the first axis, from some values on."""
    rows = torch.stack([start + torch.arange(8.0) for start in starts])
    return rows.view(1, -1, 8, 1, 1).expand(1, len(starts), 8, 4, 4)


def test_a_region_covers_the_share_of_a_voxel_beyond_its_threshold():
    (share,) = coverage(Anatomy(ramp(0.0), (Layer(0, 2.9, torch.inf, -1),)))
    torch.testing.assert_close(share[:, 0, 0], torch.tensor([0, 0, 0, 0.6, 1, 1, 1, 1]))


def test_a_sheet_covers_its_thickness():
    (share,) = coverage(Anatomy(ramp(0.0), (Layer(0, 2.5, 4.5, -1),)))
    assert share[:, 0, 0].tolist() == [0, 0, 0, 1, 1, 0, 0, 0]


def test_a_layer_lies_within_its_parent():
    layers = (Layer(0, 2.5, torch.inf, -1), Layer(1, -torch.inf, 5.5, 0))
    shares = coverage(Anatomy(ramp(0.0, 0.0), layers))
    assert shares[1][:, 0, 0].tolist() == [0, 0, 0, 1, 1, 1, 0, 0]


def test_the_uppermost_layer_gives_the_label():
    layers = (Layer(0, 1.5, torch.inf, -1), Layer(0, 4.5, torch.inf, -1))
    assert label_map(Anatomy(ramp(0.0), layers))[:, 0, 0].tolist() == [0, 0, 1, 1, 1, 2, 2, 2]


def test_a_shift_moves_the_labels():
    anatomy = random_anatomy(SHAPE, torch.Generator().manual_seed(1))
    ddf = torch.zeros(1, 3, *SHAPE)
    ddf[:, 0] = 2
    shifted, label = label_map(anatomy.warped(ddf)), label_map(anatomy)
    assert torch.equal(shifted[1:-3], label[3:-1])  # the outermost slopes are those of a repeated border


def test_anatomies_have_several_labels_and_sometimes_the_template():
    anatomies = [random_anatomy(SHAPE, torch.Generator().manual_seed(seed)) for seed in range(12)]
    assert {anatomy.functions.size(1) for anatomy in anatomies} == {5, 8}
    assert all(8 <= len(anatomy.layers) <= 20 for anatomy in anatomies)
    assert sum(label_map(anatomy).unique().numel() for anatomy in anatomies) > 12 * 4
