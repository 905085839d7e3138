import pytest
import torch

from common.solvers.joint_histogram import equalize, joint_histogram, normalized_mutual_information


def samples(generator, count=20000):
    return torch.rand(count, generator=generator)


def test_information_is_that_of_the_bins_for_uniform_independent_samples(generator):
    x, y = samples(generator), samples(generator)
    assert normalized_mutual_information(x, y[None], torch.ones(1, len(x))).item() == pytest.approx(1, abs=0.01)


def test_information_does_not_depend_on_an_inverted_contrast(generator):
    x = samples(generator)
    both = normalized_mutual_information(x, torch.stack([x, 1 - x]), torch.ones(2, len(x)))
    assert both[0] > 1.3
    torch.testing.assert_close(both[0], both[1], atol=1e-3, rtol=0)


def test_samples_outside_do_not_count(generator):
    x = samples(generator)
    weight = (torch.arange(len(x)) % 2).float()[None]
    noise = torch.where(weight > 0, x, samples(generator))
    half = normalized_mutual_information(x[1::2], x[None, 1::2], torch.ones(1, len(x) // 2))
    torch.testing.assert_close(normalized_mutual_information(x, noise, weight), half, atol=1e-5, rtol=0)


def test_hardly_any_overlap_scores_below_every_alignment(generator):
    x = samples(generator)
    assert normalized_mutual_information(x, x[None], torch.full((1, len(x)), 0.05)).item() == pytest.approx(0.5)


def test_the_gradient_of_the_histogram_is_that_of_finite_differences(generator):
    fixed = torch.rand(50, generator=generator, dtype=torch.float64)
    moving = torch.rand(2, 50, generator=generator, dtype=torch.float64).clamp(0.05, 0.95).requires_grad_()
    weight = torch.rand(2, 50, generator=generator, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda m, w: joint_histogram(fixed, m, w, 8), (moving, weight))


def test_equalization_gives_soft_tissue_more_than_its_share_of_the_range(generator):
    ct = torch.cat([torch.full((5000,), -1000.0), 60 * samples(generator, 5000), torch.tensor([3000.0] * 50)])
    equalized = equalize(ct[None])
    soft = equalized[0, 5000:10000]
    assert soft.max() - soft.min() > 0.1  # 60 of 4000 units
    assert (equalized[0].argsort(stable=True) == ct.clamp(max=2999).argsort(stable=True)).float().mean() > 0.9


def test_a_constant_image_is_refused():
    with pytest.raises(ValueError, match="several intensities, got 3 in all voxels"):
        equalize(torch.full((1, 4, 4, 4), 3.0))
