"""Two processes take the step of one: same parameters after the same batch, whatever the discrepancy."""

from types import SimpleNamespace

import pytest
import torch
from torch import distributed, multiprocessing

from common.methods.mcd_pemd.classifier import DisplacementClassifier
from common.methods.mcd_pemd.discrepancy import ClassifierDiscrepancy
from common.methods.mcd_pemd.steps import ClassifierDiscrepancySteps

ENGINE = SimpleNamespace(state=SimpleNamespace(epoch=1))
DISCREPANCIES = ["none", "l1", "swd", "pemd16_swd"]  # SWD sorts over the whole batch, so it needs all processes' pairs


def trained(discrepancy, part):
    """Parameters after two steps on the samples of `part` of a fixed batch.

    In float64: sums in another order round otherwise, and in float32 that can turn the sign of an L1 difference or the
    order of a sorted value, which a step of 0.1 then carries on.
    """
    torch.manual_seed(0)
    network = DisplacementClassifier(num_test_heads=1 if discrepancy == "none" else 2).double()
    parts = {"features": network.feature_extractor, "head": network.head, "second_head": network.second_head}
    optimizers = {name: torch.optim.SGD(part_.parameters(), lr=0.1) for name, part_ in parts.items()}
    method = ClassifierDiscrepancySteps(network, ClassifierDiscrepancy(discrepancy), optimizers)
    images = torch.randn(2, 8, 2, 39, 39, generator=torch.Generator().manual_seed(1), dtype=torch.float64)[:, part]
    batch = {"source": {"image": images[0], "label": torch.arange(8)[part]}, "target": {"image": images[1]}}
    for _ in range(2):
        method(ENGINE, batch)
    return torch.cat([p.detach().flatten() for p in network.parameters()])


def work(rank, folder, discrepancies):
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    results = {name: trained(name, slice(rank, None, 2)) for name in discrepancies}
    if rank == 0:
        torch.save(results, f"{folder}/results.pt")
    distributed.destroy_process_group()


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("distributed")
    multiprocessing.spawn(work, args=(str(folder), DISCREPANCIES), nprocs=2)
    return torch.load(folder / "results.pt", weights_only=True)


@pytest.mark.parametrize("discrepancy", DISCREPANCIES)
def test_two_processes_equal_one(discrepancy, two_processes):
    one = trained(discrepancy, slice(None))
    difference = (two_processes[discrepancy] - one).norm() / one.norm()
    assert difference < 1e-12


def test_the_comparison_notices_half_a_batch(two_processes):
    half = trained("pemd16_swd", slice(0, None, 2))
    assert (two_processes["pemd16_swd"] - half).norm() / half.norm() > 1e-3
