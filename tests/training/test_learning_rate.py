import pytest
import torch

from common.training.learning_rate import CosineRestart, StageLearningRate, StepRestart
from common.training.trainer import StepTrainer


def rates(schedule, epochs, epochs_per_stage, length):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=9.0)
    seen = []
    handler = StageLearningRate(optimizer, schedule, epochs_per_stage)

    def step(engine, batch):
        seen.append(optimizer.param_groups[0]["lr"])
        return {"loss": torch.zeros(())}

    StepTrainer("cpu", epochs, torch.utils.data.DataLoader(range(length)), step, [handler]).run()
    return seen


def test_cosine_equals_torch_with_warm_restarts():
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1e-3)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, T_0=6, eta_min=1e-5)
    expected = []
    for _ in range(12):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    assert rates(CosineRestart(), epochs=4, epochs_per_stage=2, length=3) == pytest.approx(expected)


def test_steps_are_taken_at_the_milestones_of_every_stage():
    seen = rates(StepRestart(1.0, (2 / 3,), 0.1), epochs=6, epochs_per_stage=3, length=2)
    assert seen == pytest.approx([1.0] * 4 + [0.1] * 2 + [1.0] * 4 + [0.1] * 2)


def test_milestones_outside_a_stage_are_an_error():
    with pytest.raises(ValueError, match="ascending milestones between 0 and 1"):
        StepRestart(milestones=(40, 52))
