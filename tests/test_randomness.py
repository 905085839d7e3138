import pytest
import torch

from common.randomness import sample_generator, sample_seed


def test_cpu_generator_reads_only_the_low_half_of_a_seed():
    low = torch.Generator().manual_seed(5)
    high = torch.Generator().manual_seed(5 + (1 << 32))
    assert torch.equal(torch.rand(4, generator=low), torch.rand(4, generator=high))


def test_sample_generator_repeats_itself():
    first = torch.rand(5, generator=sample_generator(3, 2, 1))
    torch.testing.assert_close(first, torch.rand(5, generator=sample_generator(3, 2, 1)), rtol=0, atol=0)


def test_sample_seeds_of_one_run_never_collide():
    seeds = {sample_seed(0, epoch, index) for epoch in range(40) for index in range(5120)}
    assert len(seeds) == 40 * 5120


def test_sample_seed_depends_on_which_argument_holds_the_value():
    assert len({sample_seed(1, 0, 0), sample_seed(0, 1, 0), sample_seed(0, 0, 1), sample_seed(0, 0, 0)}) == 4


def test_sample_seeds_beyond_one_block_stay_different():
    assert sample_seed(0, 0, 5) != sample_seed(0, 0, 5 + (1 << 20))
    assert sample_seed(0, 5, 0) != sample_seed(0, 5 + (1 << 12), 0)


@pytest.mark.parametrize("axis", ["seed", "epoch", "index"])
def test_neighboring_samples_are_uncorrelated(axis):
    base = {"seed": 0, "epoch": 0, "index": 0}
    draws = [torch.rand(64, generator=sample_generator(**{**base, axis: i})) for i in range(64)]
    correlation = torch.corrcoef(torch.stack(draws).double())
    off_diagonal = correlation[~torch.eye(64, dtype=torch.bool)]
    # sd of a correlation of 64 independent pairs is 1/8; the mean of 2016 of them has sd 1/8/√2016 ≈ 0.003
    assert off_diagonal.mean().abs() < 0.01
    assert off_diagonal.std() == pytest.approx(1 / 8, rel=0.1)


def test_first_draws_are_uniform_over_samples():
    first = torch.stack([torch.rand(1, generator=sample_generator(0, 0, i)) for i in range(2000)])
    # sd of the mean of 2000 uniforms: 1/√12/√2000 ≈ 0.0065
    assert float(first.mean()) == pytest.approx(0.5, abs=0.02)


def test_negative_epoch_is_refused():
    with pytest.raises(ValueError, match=r"≥ 0, got 0, -1 and 2"):
        sample_generator(0, -1, 2)
