"""Tests of the random contrasts of an anatomy."""

import torch

from common.data.sample.anatomy import Anatomy, Layer
from common.data.sample.any_contrast import (
    RELATIONS,
    Contrast,
    independent_contrast,
    painted,
    random_contrasts,
    related_contrast,
)

ANATOMY = Anatomy(
    torch.arange(6.0).view(1, 1, 6, 1, 1).repeat(1, 2, 1, 3, 3),
    (Layer(0, 1.5, torch.inf, -1), Layer(0, 3.5, torch.inf, -1)),
)


def row(**changes):
    contrast = Contrast([0.25, 0.75], [0.0, 0.0], [True, True], 0.5)._replace(**changes)
    return painted(ANATOMY, contrast)[:, 1, 1].tolist()


def related(relation, seed):
    generator = torch.Generator().manual_seed(seed)
    first = independent_contrast(200, generator)
    return first, related_contrast(first, relation, generator)


def rank_correlation(first, second):
    ranks = [torch.tensor(values).argsort().argsort().double() for values in (first.intensities, second.intensities)]
    return torch.corrcoef(torch.stack(ranks))[0, 1].item()


def test_layers_are_painted_over_each_other():
    assert row() == [0.5, 0.5, 0.25, 0.25, 0.75, 0.75]


def test_a_hidden_layer_shows_what_lies_below():
    assert row(seen=[True, False]) == [0.5, 0.5, 0.25, 0.25, 0.25, 0.25]


def test_the_texture_has_an_amplitude_in_each_layer():
    assert row(textures=[0.0, 0.5]) == [0.5, 0.5, 0.25, 0.25, 2.75, 3.25]


def test_relations_of_two_contrasts():
    assert rank_correlation(*related("monotone", 0)) > 0.9
    assert rank_correlation(*related("inverted", 0)) < -0.9
    assert abs(rank_correlation(*related("independent", 0))) < 0.3
    first, second = related("equal", 0)
    assert first == second


def test_all_relations_are_drawn():
    pairs = [random_contrasts(50, torch.Generator().manual_seed(seed)) for seed in range(60)]
    correlations = [rank_correlation(*pair) for pair in pairs]
    assert min(correlations) < -0.8
    assert any(first == second for first, second in pairs)
    assert sum(abs(value) < 0.5 for value in correlations) > len(pairs) / len(RELATIONS)
