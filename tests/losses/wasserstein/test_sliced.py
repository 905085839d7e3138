import ot
import pytest
import torch
from scipy.stats import wasserstein_distance

from common.losses.wasserstein.directions import ProjectionDirections, random_directions
from common.losses.wasserstein.sliced import CHUNK, SlicedWassersteinLoss, sliced_wasserstein, voxel_rows


def clouds(generator, num_points=40, dtype=torch.float64):
    return torch.randn(2, 3, num_points, 6, generator=generator, dtype=dtype)


def test_last_row_is_filled_with_zeros():
    assert voxel_rows(torch.ones(1, 1, 48, 48, 48), 50).shape == (1, 2212, 50)
    assert voxel_rows(torch.ones(1, 1, 11, 11, 11), 50).sum() == 1331


@pytest.mark.parametrize("num_points", [27, 200])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-5)])
@pytest.mark.parametrize("power", [1, 2])
def test_distance_equals_that_of_pot_with_the_same_projections(num_points, dtype, tolerance, power, generator):
    x, y = clouds(generator, num_points, dtype)
    directions = random_directions(30, 6, generator).to(dtype)
    expected = [
        ot.sliced_wasserstein_distance(a, b, projections=directions.T, p=power) ** power
        for a, b in zip(x, y, strict=True)
    ]
    torch.testing.assert_close(
        sliced_wasserstein(x, y, directions, power), torch.stack(expected), rtol=tolerance, atol=0
    )


def test_distance_in_one_dimension_is_exact(generator):
    x, y = torch.randn(2, 1, 50, 1, generator=generator, dtype=torch.float64)
    found = sliced_wasserstein(x, y, torch.ones(1, 1, dtype=torch.float64), power=1)
    assert found.item() == pytest.approx(wasserstein_distance(x.flatten(), y.flatten()), rel=1e-12)


def test_distance_of_a_shift_is_its_mean_squared_component(generator):
    x = clouds(generator)[0]
    directions = random_directions(20, 6, generator).double()
    shift = torch.tensor([1.0, 2, 0, 0, 0, 0], dtype=torch.float64)
    expected = (directions @ shift).square().mean()
    torch.testing.assert_close(sliced_wasserstein(x, x + shift, directions), expected.expand(3))


@pytest.mark.parametrize("num_points", [20, 300])
def test_equal_or_permuted_sets_have_distance_zero(num_points, generator):
    x = clouds(generator, num_points, torch.float32)[0]
    directions = random_directions(20, 6, generator)
    assert sliced_wasserstein(x, x, directions).tolist() == [0.0, 0.0, 0.0]
    permuted = x[:, torch.randperm(num_points, generator=generator)]
    assert sliced_wasserstein(x, permuted, directions).max() < 1e-10


def test_chunks_do_not_change_the_distance(generator, monkeypatch):
    x, y = clouds(generator)
    directions = random_directions(31, 6, generator).double()
    whole = sliced_wasserstein(x, y, directions)
    monkeypatch.setitem(CHUNK, "cpu", 100)
    torch.testing.assert_close(sliced_wasserstein(x, y, directions), whole)


@pytest.mark.parametrize("power", [1, 2])
def test_gradient_with_respect_to_both_sets(power, generator):
    x, y = clouds(generator, num_points=7).unbind()
    directions = random_directions(5, 6, generator).double()
    inputs = (x.requires_grad_(), y.requires_grad_())
    assert torch.autograd.gradcheck(lambda a, b: sliced_wasserstein(a, b, directions, power), inputs)


def test_gradient_equals_that_of_pot(generator):
    x, y = torch.randn(2, 1, 300, 6, generator=generator)
    directions, grads = random_directions(20, 6, generator), []
    for function in (
        lambda a: sliced_wasserstein(a, y, directions).sum(),
        lambda a: ot.sliced_wasserstein_distance(a[0], y[0], projections=directions.T, p=2) ** 2,
    ):
        leaf = x.clone().requires_grad_()
        function(leaf).backward()
        grads.append(leaf.grad)
    torch.testing.assert_close(*grads, rtol=1e-3, atol=1e-6)


def test_directions_are_redrawn_in_training_and_fixed_in_evaluation():
    directions, like = ProjectionDirections(4, 3, seed=1), torch.zeros(1)
    assert not torch.equal(directions(like), directions(like))
    directions.eval()
    assert torch.equal(directions(like), directions(like))


def test_loaded_state_goes_on_with_the_next_directions():
    first, like = ProjectionDirections(4, 3), torch.zeros(1)
    first(like)
    second = ProjectionDirections(4, 3)
    second.load_state_dict(first.state_dict())
    assert torch.equal(first(like), second(like))


def test_loss_takes_injected_directions(generator):
    image, other = torch.randn(2, 2, 1, 8, 8, 8, generator=generator)
    directions = random_directions(7, 10, generator)
    rows = voxel_rows(image, 10), voxel_rows(other, 10)
    expected = sliced_wasserstein(*rows, directions).mean()
    assert SlicedWassersteinLoss(3, 10)(image, other, directions) == expected


@pytest.mark.parametrize("shape", [(3, 41, 6), (3, 40, 5)])
def test_sets_of_other_shapes_are_refused(shape, generator):
    with pytest.raises(ValueError, match=r"expected two tensors \(G, n, E\)"):
        sliced_wasserstein(clouds(generator)[0], torch.zeros(shape), torch.ones(1, 6))


def test_other_powers_are_refused():
    with pytest.raises(ValueError, match="expected power 1 or 2, got 3"):
        sliced_wasserstein(torch.zeros(1, 2, 1), torch.zeros(1, 2, 1), torch.ones(1, 1), power=3)
