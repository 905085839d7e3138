import pytest
import torch
from diffusion_distance import diffusion_distance, gaussian_window


def histograms(generator, count=3, num_classes=25):
    return torch.rand(count, num_classes, generator=generator, dtype=torch.float64).softmax(dim=1)


def one_bin(*places):
    return torch.eye(25, dtype=torch.float64)[list(places)]


@pytest.mark.parametrize(("num_classes", "spatial_dims"), [(25, 2), (16, 2), (125, 3)])
def test_has_one_value_per_pair(num_classes, spatial_dims, generator):
    p, q = histograms(generator, 3, num_classes), histograms(generator, 3, num_classes)
    assert diffusion_distance(p, q, spatial_dims).shape == (3,)


def test_value_of_two_neighboring_bins_is_the_sum_over_the_pyramid():
    """Bins (0, 0) and (0, 1) of a 3 × 3 histogram, window (a, b, a) with b + 2a = 1: level 0 has |1| + |−1| = 2.

    Level 1 keeps samples 0 and 2 of each axis: along the second axis the difference (1, −1, 0) becomes
    (b − a, −a), along the first (1, 0, 0) becomes (b, 0). Level 2 keeps sample 0 of both: b² · (b (b − a) − a · a).
    """
    a, b = gaussian_window().double()[:2]
    p, q = torch.eye(9, dtype=torch.float64)[[0, 1]].split(1)
    expected = 2 + b * ((b - a) + a) + b**2 * (b * (b - a) - a * a)
    torch.testing.assert_close(diffusion_distance(p, q)[0], expected, atol=1e-7, rtol=0)


def test_is_a_pseudo_metric(generator):
    p, q, r = histograms(generator).split(1)
    assert diffusion_distance(p, p).item() == 0
    torch.testing.assert_close(diffusion_distance(p, q), diffusion_distance(q, p))
    assert diffusion_distance(p, r) <= diffusion_distance(p, q) + diffusion_distance(q, r)


def test_transposed_histograms_have_the_same_distance(generator):
    p, q = histograms(generator, 2).split(1)
    transposed = [h.reshape(1, 5, 5).mT.reshape(1, 25) for h in (p, q)]
    torch.testing.assert_close(diffusion_distance(*transposed), diffusion_distance(p, q))


def test_grows_with_the_distance_of_the_bins():
    center, near, far = one_bin(12, 13, 14).split(1)
    assert diffusion_distance(center, near) < diffusion_distance(center, far)


def test_gradient_is_the_numerical_one(generator):
    logits = torch.randn(2, 1, 9, generator=generator, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: diffusion_distance(*x.softmax(dim=2)), logits)


@pytest.mark.parametrize("shape", [(3, 24), (2, 25), (25,)])
def test_other_shapes_are_refused(shape, generator):
    with pytest.raises(ValueError, match=r"expected two \(B, n\*\*2\) batches"):
        diffusion_distance(histograms(generator), torch.zeros(shape))
