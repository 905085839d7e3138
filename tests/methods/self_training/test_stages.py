import contextlib
import errno
import json
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader

from common.data.epoch_order import EpochSampler
from common.methods.self_training.draws import PseudoLabeledPairs, as_list
from common.methods.self_training.stages import (
    SelfTrainingStages,
    SelfTrainingStep,
    difficulty_weights,
    draws_per_epoch,
    fingerprint,
    initialize_anew,
)
from common.methods.self_training.store import PseudoLabelStore
from common.training.resume import TrainingCheckpoint
from common.training.set_epoch import SetEpoch
from common.training.trainer import StepTrainer

NUM_PAIRS = 4


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(2, 1)

    def forward(self, x):
        return self.linear(x)


def labeler(network, item, generator):
    return network(item["x"]) + 0.5, float(item["x"].sum())


def student_loss(network, sample):
    return (network(sample["x"]) - sample["label"]).square().mean()


def run(folder, max_epochs=6, resume=False, fail_at=None, collate_fn=None, **options):
    torch.manual_seed(0)
    network = Network()
    optimizer = torch.optim.Adam(network.parameters(), lr=0.05)
    pairs = [{"x": torch.tensor([float(k), 1.0])} for k in range(NUM_PAIRS)]
    draws = PseudoLabeledPairs(pairs, num_draws=8)
    store = PseudoLabelStore(folder / "labels", NUM_PAIRS)
    stages = SelfTrainingStages(network, pairs, draws, labeler, store, 2, optimizer, **options)
    sampler = EpochSampler(draws, batch_size=2, seed=0, shuffle=False)
    losses = []

    def step(engine, batch):
        if engine.state.iteration == fail_at:
            raise KeyboardInterrupt
        losses.append(SelfTrainingStep(network, optimizer, student_loss)(engine, batch)["loss"].item())
        return {"loss": torch.tensor(losses[-1])}

    loader = DataLoader(draws, batch_size=2, sampler=sampler, collate_fn=collate_fn)
    objects = {"network": network, "optimizer": optimizer, "stages": stages}
    checkpoint = TrainingCheckpoint(folder, objects, resume=resume, iteration_interval=1)
    trainer = StepTrainer("cpu", max_epochs, loader, step, [stages, SetEpoch(), checkpoint])
    with contextlib.suppress(KeyboardInterrupt):
        trainer.run()
    return SimpleNamespace(network=network, losses=losses, store=store, stages=stages, draws=draws)


def test_weights_fall_with_the_rank_and_ties_share():
    weights = difficulty_weights(torch.tensor([3.0, 1.0, 2.0, 2.0]))
    assert weights[1] > weights[2] == weights[3] > weights[0]
    assert weights.sum() == pytest.approx(2.0)


def test_stage_n_is_labeled_by_the_network_that_stage_n_minus_1_left(tmp_path):
    whole, first = run(tmp_path / "whole", max_epochs=6), run(tmp_path / "first", max_epochs=4)
    expected = torch.stack([labeler(first.network, item, None)[0].detach() for item in first.draws.data])
    labels = torch.stack([whole.store.read(pair) for pair in range(NUM_PAIRS)])
    assert torch.allclose(labels, expected, atol=2e-3)
    origin = json.loads((tmp_path / "whole" / "labels" / "stage_02" / "run.json").read_text(encoding="utf-8"))["origin"]
    assert origin == fingerprint(first.network)


def test_the_first_student_does_not_begin_as_its_teacher(tmp_path):
    kept, renewed = (run(tmp_path / name, 1, reinitialize=name == "renewed") for name in ("kept", "renewed"))
    assert kept.losses[0] == pytest.approx(0.25, abs=1e-2)  # the label is the teacher's output plus 0.5
    assert renewed.losses[0] != pytest.approx(0.25, abs=1e-2)


def test_fresh_students_begin_every_stage_from_other_random_weights(tmp_path, monkeypatch):
    begun, begin = [], SelfTrainingStages.begin

    def recording(stages, stage):
        begin(stages, stage)
        begun.append((fingerprint(stages.network), len(stages.optimizer.state)))

    monkeypatch.setattr(SelfTrainingStages, "begin", recording)
    run(tmp_path / "fresh", 6, fresh_students=True)
    assert len({weights for weights, _ in begun}) == 3
    assert [moments for _, moments in begun] == [0, 0, 0]
    goes_on = run(tmp_path / "goes on", 6)
    assert goes_on.losses[8] == pytest.approx(0.25, abs=1e-2)  # stage 1: the label is the teacher's output plus 0.5
    assert begun[3][1] == 0 < begun[4][1]


def test_fresh_students_resume_like_an_uninterrupted_run(tmp_path):
    whole = run(tmp_path / "whole", fresh_students=True)
    before = run(tmp_path / "parts", fail_at=11, fresh_students=True)
    after = run(tmp_path / "parts", resume=True, fresh_students=True)
    assert before.losses + after.losses == whole.losses


def test_no_gradient_flows_into_labels(tmp_path):
    result = run(tmp_path, 1)
    assert not result.draws[0]["label"].requires_grad


def test_perfect_labels_are_a_fixed_point(tmp_path):
    network = Network()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    before = fingerprint(network)
    x = torch.rand(3, 2)
    batch = {"x": x, "label": network(x).detach()}
    SelfTrainingStep(network, optimizer, student_loss)(None, batch)
    assert fingerprint(network) == before


@pytest.mark.parametrize("fail_at", [7, 9, 17])  # within a stage, at its first iteration, in the last one
def test_stopping_and_resuming_gives_the_numbers_of_an_uninterrupted_run(tmp_path, fail_at):
    whole = run(tmp_path / "whole")
    before = run(tmp_path / "parts", fail_at=fail_at)
    after = run(tmp_path / "parts", resume=True)
    assert before.losses + after.losses == whole.losses
    assert fingerprint(after.network) == fingerprint(whole.network)


def test_a_finished_run_can_be_given_more_stages(tmp_path):
    whole = run(tmp_path / "whole", max_epochs=6)
    first = run(tmp_path / "parts", max_epochs=4)
    more = run(tmp_path / "parts", max_epochs=6, resume=True)
    assert first.losses + more.losses == whole.losses


def test_labeling_that_was_broken_off_goes_on_where_it_stopped(tmp_path):
    labeled = []

    def counting(network, item, generator):
        labeled.append(int(item["x"][0]))
        if len(labeled) == 2:
            raise KeyboardInterrupt
        return labeler(network, item, generator)

    run(tmp_path / "parts", 1, first_labeler=counting)
    whole = run(tmp_path / "whole", 1)
    result = run(tmp_path / "parts", 1, first_labeler=counting, resume=True)
    assert labeled == [0, 1, 1, 2, 3]
    assert result.losses == whole.losses


def test_samples_that_are_left_apart_give_the_gradient_of_the_batch(tmp_path):
    together, apart = run(tmp_path / "a", 1), run(tmp_path / "b", 1, collate_fn=as_list)
    assert together.losses == pytest.approx(apart.losses, rel=1e-5)


@pytest.mark.parametrize(("max_gradient_norm", "length"), [(0.0, 10.0), (2.0, 2.0), (50.0, 10.0)])
def test_long_gradients_are_shortened(max_gradient_norm, length):
    network = nn.Linear(2, 1, bias=False)
    before = network.weight.detach().clone()
    optimizer = torch.optim.SGD(network.parameters(), lr=1.0)
    step = SelfTrainingStep(network, optimizer, lambda network, x: network(x).sum(), max_gradient_norm)
    step(None, [torch.tensor([6.0, 8.0])])
    assert (network.weight - before).norm().item() == pytest.approx(length, rel=1e-4)


def test_without_weighting_all_pairs_are_drawn_alike(tmp_path):
    assert run(tmp_path, 1, weighted=False).draws.weights.tolist() == [1.0] * NUM_PAIRS


def test_only_labels_in_use_stay_on_disk(tmp_path):
    run(tmp_path)
    assert {path.parent.name for path in tmp_path.rglob("pair_*.npy")} == {"stage_02"}
    assert len(list(tmp_path.rglob("difficulty.json"))) == 3


def test_a_folder_of_another_run_is_refused_and_left_alone(tmp_path):
    run(tmp_path, 1)
    files = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("stage_*/*")}
    other = PseudoLabelStore(tmp_path / "labels", NUM_PAIRS, {"num_warps": 1})
    with pytest.raises(ValueError, match=r"stage_00 holds pseudo labels of another run: .*num_warps"):
        other.open_stage(0, "other")
    assert files == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("stage_*/*")}


def labels_of_another_run(folder):
    store = PseudoLabelStore(folder / "labels", NUM_PAIRS)
    store.open_stage(3, "another network")
    for pair in range(NUM_PAIRS):
        store.write(pair, torch.full((1,), 10.0 + pair), float(NUM_PAIRS - pair))
    return store


def test_the_first_stage_can_take_the_labels_of_another_run(tmp_path):
    result = run(tmp_path / "own", 1, first_labels=labels_of_another_run(tmp_path / "other"))
    assert [result.store.read(pair).item() for pair in range(NUM_PAIRS)] == [10.0, 11.0, 12.0, 13.0]
    assert result.draws.weights.argmax() == NUM_PAIRS - 1  # the easiest there
    origin = json.loads((tmp_path / "own" / "labels" / "stage_00" / "run.json").read_text(encoding="utf-8"))["origin"]
    assert origin == "another network"


def test_later_stages_make_their_own_labels(tmp_path):
    result = run(tmp_path / "own", 4, first_labels=labels_of_another_run(tmp_path / "other"))
    assert result.store.stage == 1
    assert max(abs(result.store.read(pair).item()) for pair in range(NUM_PAIRS)) < 10.0


@pytest.mark.parametrize("fail_at", [3, 5])  # within the stage of the other run's labels, and in the next
def test_a_run_on_labels_of_another_one_resumes_to_the_same_numbers(tmp_path, fail_at):
    given = labels_of_another_run(tmp_path / "other")
    whole = run(tmp_path / "whole", 3, first_labels=given)
    before = run(tmp_path / "parts", 3, first_labels=given, fail_at=fail_at)
    after = run(tmp_path / "parts", 3, first_labels=given, resume=True)
    assert before.losses + after.losses == whole.losses


def test_a_full_disk_names_the_file_and_keeps_the_stage(tmp_path, monkeypatch):
    store = PseudoLabelStore(tmp_path, 2)
    store.open_stage(0, "a")
    store.write(0, torch.ones(3), 1.0)

    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("numpy.save", full)
    with pytest.raises(OSError, match=r"cannot write pseudo labels.*No space left.*pair_00001\.npy"):
        store.write(1, torch.ones(3), 1.0)
    assert store.missing() == [1]
    assert store.read(0).tolist() == [1.0, 1.0, 1.0]
    assert sorted(path.name for path in (tmp_path / "stage_00").iterdir()) == [
        "difficulty.json",
        "pair_00000.npy",
        "run.json",
    ]


def test_labels_that_half_precision_does_not_hold_are_an_error(tmp_path):
    store = PseudoLabelStore(tmp_path, 1)
    store.open_stage(0, "a")
    with pytest.raises(ValueError, match=r"finite labels and difficulty, got 100000 to 100000"):
        store.write(0, torch.full((3,), 1e5), 1.0)


def test_a_damaged_label_names_its_file(tmp_path):
    store = PseudoLabelStore(tmp_path, 1)
    store.open_stage(0, "a")
    store.write(0, torch.ones(3), 1.0)
    (tmp_path / "stage_00" / "pair_00000.npy").write_bytes(b"half")
    with pytest.raises(ValueError, match=r"pair_00000\.npy: expected the label of pair 0"):
        store.read(0)


def test_draws_follow_the_weights_and_not_the_order(tmp_path):
    draws = PseudoLabeledPairs([{"x": torch.zeros(1)}] * 3, num_draws=300)
    draws.set_stage(lambda pair: torch.zeros(1), torch.tensor([0.0, 1.0, 3.0]))
    draws.set_epoch(2)
    drawn = [draws.drawn_pair(index) for index in range(300)]
    assert 0 not in drawn
    assert 2.0 < drawn.count(2) / drawn.count(1) < 4.5
    assert drawn[::-1] == [draws.drawn_pair(index) for index in reversed(range(300))]


def test_initializing_anew_leaves_the_global_generator_alone():
    network, state = Network(), torch.get_rng_state()
    before = fingerprint(network)
    initialize_anew(network, seed=5)
    assert torch.equal(torch.get_rng_state(), state)
    assert fingerprint(network) != before


def test_steps_that_epochs_cannot_share_are_refused():
    with pytest.raises(
        ValueError, match="num_iterations: expected a positive multiple of epochs_per_stage = 10, got 15"
    ):
        draws_per_epoch(15, batch_size=2, epochs_per_stage=10)
