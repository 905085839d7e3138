"""Two connected processes, as torchrun starts them, on the CPU."""

import json
import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

WORKER = """
import json, os, sys
import torch
from ignite.engine import Engine
from common.data.epoch_order import EpochSampler, local_batch_size
from common.training.resume import TrainingCheckpoint
from common.training.run_folder import run_folder

root, resume = sys.argv[1], sys.argv[2] == "resume"
torch.distributed.init_process_group("gloo")
rank = torch.distributed.get_rank()
torch.manual_seed(10 + rank + 100 * resume)
folder = run_folder(root, "train", resume)
network = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(1, 1))
sampler = EpochSampler(range(8), batch_size=4, seed=0)
draws = []
engine = Engine(lambda engine, batch: draws.append(torch.rand(()).item()))
TrainingCheckpoint(folder, {"network": network}, resume).attach(engine)
engine.state.max_epochs = 2 if resume else 1
engine.state.epoch_length = 2
engine.run(range(2))
weights = [value.item() for value in network.module.parameters()]
report = {"folder": folder, "samples": list(sampler), "batch": local_batch_size(4), "weights": weights, "draws": draws}
report["next"] = torch.rand(()).item()
json.dump(report, open(os.path.join(root, f"{sys.argv[2]}{rank}.json"), "w"))
torch.distributed.destroy_process_group()
"""


def run_two(root, mode, port):
    environment = os.environ | {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, str(root), mode],
            env=environment | {"RANK": str(rank), "OMP_NUM_THREADS": "1"},
        )
        for rank in (0, 1)
    ]
    assert [process.wait(timeout=120) for process in processes] == [0, 0]
    return [json.loads((root / f"{mode}{rank}.json").read_text(encoding="utf-8")) for rank in (0, 1)]


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    root = tmp_path_factory.mktemp("distributed")
    return run_two(root, "fresh", 29541), run_two(root, "resume", 29542)


def test_processes_share_one_run_folder(reports):
    assert len({report["folder"] for part in reports for report in part}) == 1


def test_processes_share_the_samples(reports):
    first, second = reports[0]
    assert sorted(first["samples"] + second["samples"]) == list(range(8))
    assert first["batch"] == second["batch"] == 2


def test_resume_restores_the_weights_on_every_process(reports):
    assert len({tuple(report["weights"]) for part in reports for report in part}) == 1


def test_resume_restores_the_generators_of_each_process(reports):
    for before, after in zip(*reports, strict=True):
        assert after["draws"][0] == before["next"]
    assert reports[0][0]["next"] != reports[0][1]["next"]
