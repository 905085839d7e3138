"""Tests of the registration of a validation."""

import torch

from common.methods.any_contrast.inferer import FeatureInferer
from common.methods.any_contrast.network import AnyContrastFeatures
from common.methods.any_contrast.pairs import GeneratedPairs
from common.methods.any_contrast.scores import ScoreKnownFieldd
from common.methods.cyclical_self_training.network import ConvexRegistration


def blob(*center):
    axes = [(torch.arange(24.0) - place) / 4 for place in center]
    distance = sum(axis.square().view([-1 if k == n else 1 for n in range(3)]) for k, axis in enumerate(axes))
    return torch.exp(-distance)[None, None]


def test_an_inverted_blob_is_followed():
    image = torch.cat([blob(11.0, 12.0, 12.0), 1 - blob(13.0, 12.0, 11.0)], dim=1)
    network = ConvexRegistration(AnyContrastFeatures((4, 8)), 2, zero_border=False)
    for num_iterations in (0, 30):
        found = FeatureInferer(num_iterations)(image, network)[0, :, 11, 12, 12]
        torch.testing.assert_close(found, torch.tensor([2.0, 0.0, -1.0]), atol=0.2, rtol=0)


def test_scores_are_means_over_valid_voxels():
    pair = GeneratedPairs(range(1), (16, 16, 16))[0]
    pred = pair["ddf"] + torch.tensor([3.0, 0.0, 4.0]).view(3, 1, 1, 1)
    scores = ScoreKnownFieldd()({**pair, "pred": pred})["scores"]
    torch.testing.assert_close(torch.tensor(scores["error_voxels"]), torch.tensor(5.0))
    inside = pair["valid"][0] > 0
    torch.testing.assert_close(scores["initial_error_voxels"], pair["ddf"].norm(dim=0)[inside].mean().item())
    assert {"folding_fraction", "sdlogj"} <= scores.keys()
