"""The 2-D method with 5 × 5 × 5 displacements: the same parts, three spatial axes."""

from types import SimpleNamespace

import pytest
import torch
from torch.utils.data import default_collate

from common.methods.mcd_pemd.classifier import DisplacementClassifier
from common.methods.mcd_pemd.discrepancy import ClassifierDiscrepancy
from common.methods.mcd_pemd.patches import PatchPairDataset, PatchSource, Sampling
from common.methods.mcd_pemd.steps import ClassifierDiscrepancySteps

ENGINE = SimpleNamespace(state=SimpleNamespace(epoch=1))


def steps(discrepancy):
    torch.manual_seed(0)
    network = DisplacementClassifier(3)
    parts = {"features": network.feature_extractor, "head": network.head, "second_head": network.second_head}
    optimizers = {name: torch.optim.Adam(part.parameters(), lr=1e-3) for name, part in parts.items()}
    return ClassifierDiscrepancySteps(network, ClassifierDiscrepancy(discrepancy, spatial_dims=3), optimizers)


def batches(generator, count):
    source = PatchSource([torch.rand(1, 60, 60, 60, generator=generator) + 0.1], "patch")
    pairs = PatchPairDataset(source, source, num_pairs=count, sampling=Sampling(spatial_dims=3, margin=-15))
    items = [default_collate([item]) for item in pairs.__getitems__(range(count))]
    return [{"source": item, "target": {"image": item["image"].flip(2)}} for item in items]


def test_two_iterations_train_every_part_with_finite_losses(generator):
    method = steps("pemd16_swd")
    parts = list(method.network.parameters())
    before = [parameter.detach().clone() for parameter in parts]
    losses = [method(ENGINE, batch) for batch in batches(generator, 2)]
    assert all(value.isfinite() for loss in losses for value in loss.values())
    assert set(losses[0]) == {"loss", "maximized", "agreement", "minimized"}
    moved = [not torch.equal(old, new) for old, new in zip(before, parts, strict=True)]
    assert sum(moved) / len(moved) > 0.6  # biases in front of an instance norm have no gradient


@pytest.mark.parametrize("name", ["l1", "swd", "pemd2", "pemd16"])
def test_discrepancies_compare_histograms_of_125_classes(name, generator):
    p, q = torch.randn(2, 4, 125, generator=generator).softmax(dim=2)
    discrepancy = ClassifierDiscrepancy(name, spatial_dims=3)
    assert discrepancy(p, q) > 0
    assert discrepancy(p, p) == 0


def test_projected_distance_knows_the_third_axis():
    center, near, far = torch.eye(125)[[62, 63, 64]].split(1)  # one and two bins along the last axis
    discrepancy = ClassifierDiscrepancy("pemd16", spatial_dims=3)
    assert discrepancy(center, far).item() == pytest.approx(2 * discrepancy(center, near).item(), rel=0.1)
