import pytest
import torch
from scipy.stats import wasserstein_distance

from common.losses.wasserstein.directions import random_directions
from common.losses.wasserstein.radon import (
    RadonWassersteinLoss,
    histogram_distance,
    mass_of,
    radon_projection,
    radon_wasserstein,
)


def test_projection_keeps_mass_and_its_center(generator):
    image = torch.rand(2, 5, 6, 7, generator=generator, dtype=torch.float64)
    directions = random_directions(9, 3, generator).double()
    lines = radon_projection(image, directions, 20)
    torch.testing.assert_close(lines.sum(-1), image.sum((1, 2, 3))[:, None].expand(2, 9))
    axes = [torch.arange(n, dtype=torch.float64) - (n - 1) / 2 for n in image.shape[1:]]
    points = torch.stack(torch.meshgrid(axes, indexing="ij"), -1)
    center = torch.einsum("bxyz,xyzd,kd->bk", image, points, directions)
    diagonal = sum((n - 1) ** 2 for n in image.shape[1:]) ** 0.5
    bins = (torch.arange(20, dtype=torch.float64) - 9.5) * diagonal / 19
    torch.testing.assert_close(lines @ bins, center)


@pytest.mark.parametrize("power", [1, 2])
def test_histogram_distance_is_exact(power, generator):
    p, q = torch.rand(2, 12, generator=generator, dtype=torch.float64)
    p, q = p / p.sum(), q / q.sum()
    bins = torch.arange(12.0)
    if power == 1:
        expected = wasserstein_distance(bins, bins, p, q)
    else:
        ot = pytest.importorskip("ot")
        expected = ot.wasserstein_1d(bins.double(), bins.double(), p, q, p=2).item()
    assert histogram_distance(p, q, power).item() == pytest.approx(expected, rel=1e-9)


def test_equal_images_have_distance_zero_whatever_their_scale(generator):
    image = torch.randn(1, 1, 8, 8, 8, generator=generator)
    loss = RadonWassersteinLoss(num_projections=20)
    assert loss(image, image) == 0
    mass, other = mass_of(image - image.min(), 3 * (image - image.min()))
    torch.testing.assert_close(mass, other)


def test_distance_of_a_shift_is_its_projection():
    image = torch.zeros(1, 1, 9, 9, 9, dtype=torch.float64)
    image[0, 0, 3, 4, 4] = 1
    directions = torch.tensor([[1.0, 0, 0], [0, 1.0, 0]], dtype=torch.float64)
    found = radon_wasserstein(image, image.roll(2, dims=2), directions, num_bins=9)
    assert found.item() == pytest.approx(2 / (8 * 3**0.5) / 2, rel=1e-9)


@pytest.mark.parametrize("power", [1, 2])
def test_gradient(power, generator):
    image, other = torch.randn(2, 1, 1, 4, 3, 5, generator=generator, dtype=torch.float64)
    directions = random_directions(4, 3, generator).double()
    smallest = image.argmin()
    mask = torch.ones(60, dtype=torch.float64)
    mask[smallest] = 0  # the common minimum is taken as a constant
    leaf = image.flatten().clone().requires_grad_()
    fixed_part = (image.flatten() * (1 - mask)).detach() - 5 * (1 - mask)

    def distance(values):
        return radon_wasserstein((values * mask + fixed_part).view_as(image), other, directions, 10, power)

    assert torch.autograd.gradcheck(distance, (leaf,))


def test_two_channels_are_refused():
    with pytest.raises(ValueError, match=r"expected two images \(B, 1, \*spatial\)"):
        radon_wasserstein(torch.zeros(1, 2, 4, 4, 4), torch.zeros(1, 2, 4, 4, 4), torch.ones(1, 3))
