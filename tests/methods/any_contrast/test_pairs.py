"""Tests of the data set of generated pairs."""

import torch

from common.methods.any_contrast.pairs import GeneratedPairs, near_border


def test_epoch_and_number_decide():
    pairs = GeneratedPairs(range(3), (16, 16, 16), seed=5)
    first = pairs[1]
    assert first["draw"].tolist() == [0, 1]
    assert torch.equal(first["image"], GeneratedPairs([1], (16, 16, 16), seed=5)[0]["image"])
    pairs.set_epoch(2)
    assert pairs[1]["draw"].tolist() == [2, 1]
    assert not torch.equal(first["image"], pairs[1]["image"])
    assert len(pairs) == 3


def test_valid_places_lie_near_a_border_of_the_anatomy():
    label = torch.zeros(1, 9, 9, 9)
    label[:, 6:] = 3
    assert near_border(label, 2)[0, :, 4, 4].tolist() == [0, 0, 0, 0, 1, 1, 1, 1, 0]
