"""The joint step: both networks move, randomness belongs to samples, two processes equal one."""

import pytest
import torch
from torch import distributed, multiprocessing

from common.methods.mine_voxelmorph.image_term import NAMES, image_similarity
from common.methods.mine_voxelmorph.network import VoxelMorphDiff
from common.methods.mine_voxelmorph.steps import PosteriorRegistrationSteps, joint_adam
from common.precision import multiplies_bfloat16


def trained(similarity="mine_local", part=slice(None), steps=2, size=16, **options):
    """Network and statistics after steps on the samples of `part` of a fixed batch, and the losses."""
    torch.manual_seed(0)
    network, image_term = VoxelMorphDiff(), image_similarity(similarity, radius=2)
    step = PosteriorRegistrationSteps(network, image_term, joint_adam(network, image_term, 1e-3, 1e-3), **options)
    images = torch.rand(2, 2, size, size, size, generator=torch.Generator().manual_seed(1))
    losses = []
    for epoch in range(1, steps + 1):
        draw = torch.tensor([[epoch, 0], [epoch, 1]])
        losses.append(step(None, {"image": images[part], "draw": draw[part]}))
    return network, image_term, losses


def weights(*modules):
    return torch.cat([p.detach().flatten() for module in modules for p in module.parameters()])


@pytest.mark.parametrize("similarity", NAMES)
def test_every_similarity_takes_a_step(similarity):
    network, _, losses = trained(similarity, steps=1)
    assert torch.isfinite(losses[0]["loss"])
    assert not torch.equal(weights(network), weights(trained(similarity, steps=0)[0]))


def test_one_step_moves_both_networks():
    before, after = trained(steps=0), trained(steps=1)
    for old, new in zip(before[:2], after[:2], strict=True):
        assert not torch.equal(weights(old), weights(new))


def test_loss_is_the_weighted_sum_of_its_terms():
    terms = trained(steps=1, alpha=3.0)[2][0]
    assert terms["loss"].item() == pytest.approx((3 * terms["image_loss"] + terms["prior_loss"]).item())


def test_same_seed_gives_the_same_weights_and_another_seed_others():
    assert torch.equal(weights(*trained()[:2]), weights(*trained()[:2]))
    assert not torch.equal(weights(*trained()[:2]), weights(*trained(seed=1)[:2]))


def test_randomness_belongs_to_the_sample_not_to_the_global_generator():
    first = weights(trained()[0])
    torch.rand(7)
    assert torch.equal(first, weights(trained()[0]))


@pytest.mark.skipif(not multiplies_bfloat16("cpu"), reason="this CPU has no bfloat16 convolutions")
def test_mixed_precision_stays_close():
    loss = {amp: trained(amp=amp, steps=1, size=48)[2][0]["loss"] for amp in (False, True)}
    assert torch.allclose(loss[True], loss[False], rtol=0.02)


def test_mixed_precision_on_small_images_is_refused(monkeypatch):
    monkeypatch.setattr("common.methods.mine_voxelmorph.steps.multiplies_bfloat16", lambda device_type: True)
    with pytest.raises(ValueError, match="amp: expected at least 48 voxels per axis on a CPU"):
        trained(amp=True, steps=1)


def test_a_long_gradient_is_shortened():
    moved = [weights(trained(steps=1, max_gradient_norm=norm)[0]) for norm in (0.0, 1e-9)]
    start = weights(trained(steps=0)[0])
    assert (moved[1] - start).norm() < 0.5 * (moved[0] - start).norm()


def test_negative_alpha_is_refused():
    with pytest.raises(ValueError, match="alpha: expected a weight ≥ 0, got -1"):
        trained(alpha=-1.0)


def work(rank, folder):
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    result = weights(*trained(part=slice(rank, None, 2))[:2])
    if rank == 0:
        torch.save(result, f"{folder}/result.pt")
    distributed.destroy_process_group()


def test_two_processes_equal_one(tmp_path):
    multiprocessing.spawn(work, args=(str(tmp_path),), nprocs=2)
    two, one = torch.load(tmp_path / "result.pt", weights_only=True), weights(*trained()[:2])
    start = weights(*trained(steps=0)[:2])
    assert (two - one).norm() < 0.01 * (one - start).norm()
