import itertools

import pytest
import torch

from common.methods.cyclical_self_training_points import belief_propagation
from common.methods.cyclical_self_training_points.belief_propagation import (
    expected_displacement,
    message_minimum,
    propagate_beliefs,
    symmetric_edges,
)
from common.methods.cyclical_self_training_points.graph_features import nearest_neighbors


def problem(num_points, num_candidates, seed=0):
    generator = torch.Generator().manual_seed(seed)
    unary = torch.rand(num_points, num_candidates, generator=generator, dtype=torch.float64)
    displacements = torch.rand(num_points, num_candidates, 3, generator=generator, dtype=torch.float64)
    return unary, displacements


def tree_edges(parents):
    """Edges of a tree given by the parent of each node after the first."""
    neighbors = [[0]] + [[parent] for parent in parents]
    return symmetric_edges(torch.tensor(neighbors))


def brute_force(unary, displacements, parents, coupling):
    """min over all joint choices that contain candidate b at point j, for every j and b."""
    num_points, num_candidates = unary.shape
    best = torch.full_like(unary, float("inf"))
    for choice in itertools.product(range(num_candidates), repeat=num_points):
        cost = sum(unary[point, choice[point]] for point in range(num_points))
        for child, parent in enumerate(parents, start=1):
            difference = displacements[child, choice[child]] - displacements[parent, choice[parent]]
            cost = cost + coupling * difference.square().sum()
        for point in range(num_points):
            best[point, choice[point]] = torch.minimum(best[point, choice[point]], cost)
    return best


def test_edges_go_both_ways_and_reverse_is_its_own_inverse():
    points = torch.rand(40, 3, generator=torch.Generator().manual_seed(0))
    source, target, reverse = symmetric_edges(nearest_neighbors(points, points, 6))
    assert (source != target).all()
    assert torch.equal(source[reverse], target)
    assert torch.equal(target[reverse], source)
    assert torch.equal(reverse[reverse], torch.arange(len(source)))


def test_messages_on_a_tree_equal_brute_force():
    parents = [0, 0, 1, 1]
    unary, displacements = problem(5, 4)
    beliefs = propagate_beliefs(unary, displacements, *tree_edges(parents), coupling=2.0, num_rounds=5)
    expected = brute_force(unary, displacements, parents, 2.0)
    beliefs, expected = (x - x.amin(1, keepdim=True) for x in (beliefs, expected))
    assert torch.allclose(beliefs, expected, atol=1e-12)


@pytest.mark.parametrize("fault", ["own message kept", "swapped ends", "missing coupling"])
def test_planted_error_differs_from_brute_force(fault, monkeypatch):
    parents = [0, 0, 1, 1]
    unary, displacements = problem(5, 4)
    source, target, reverse = tree_edges(parents)
    if fault == "own message kept":
        reverse = torch.arange(len(source))
    if fault == "swapped ends":
        source, target = target, source
        displacements = displacements.roll(1, 0)
    coupling = 0.0 if fault == "missing coupling" else 2.0
    beliefs = propagate_beliefs(unary, displacements, source, target, reverse, coupling, 5)
    expected = brute_force(*problem(5, 4), parents, 2.0)
    beliefs, expected = (x - x.amin(1, keepdim=True) for x in (beliefs, expected))
    assert not torch.allclose(beliefs, expected, atol=1e-3)


def test_message_minimum_equals_the_plain_minimum():
    generator = torch.Generator().manual_seed(0)
    costs = torch.rand(40, 7, generator=generator)
    source, target = torch.rand(40, 7, 3, generator=generator), torch.rand(40, 5, 3, generator=generator)
    table = costs[:, None] + 10 * (target[:, :, None] - source[:, None]).square().sum(3)
    minima, indices = message_minimum(costs, source, target, 10.0, True)
    assert torch.allclose(minima, table.amin(2), atol=1e-5)
    assert torch.equal(indices, table.argmin(2))


def test_equal_costs_give_a_valid_index():
    minima, indices = message_minimum(torch.zeros(1, 3), torch.zeros(1, 3, 3), torch.zeros(1, 2, 3), 1.0, True)
    assert indices.tolist() == [[0, 0]]
    assert minima.tolist() == [[0.0, 0.0]]


def test_many_edges_are_worked_on_in_parts_that_agree():
    generator = torch.Generator().manual_seed(0)
    costs, ends = torch.rand(50, 4, generator=generator), torch.rand(2, 50, 4, 3, generator=generator)
    whole = message_minimum(costs, ends[0], ends[1], 10.0, False)[0]
    parts = [
        message_minimum(costs[i : i + 1], ends[0, i : i + 1], ends[1, i : i + 1], 10.0, False)[0] for i in range(50)
    ]
    assert torch.allclose(whole, torch.cat(parts), atol=1e-6)


def test_expected_displacement_is_the_candidate_of_a_certain_belief():
    _, displacements = problem(3, 4)
    beliefs = torch.full((3, 4), 9.0, dtype=torch.float64)
    beliefs[:, 2] = 0
    assert torch.allclose(expected_displacement(beliefs, displacements), displacements[:, 2], atol=1e-9)


def test_gradients_agree_with_differences():
    unary, displacements = problem(6, 4)
    points = torch.rand(6, 3, generator=torch.Generator().manual_seed(3))
    edges = symmetric_edges(nearest_neighbors(points, points, 3))

    def solve(x):
        return expected_displacement(propagate_beliefs(x, displacements, *edges, num_rounds=2), displacements, 1.0)

    assert torch.autograd.gradcheck(solve, unary.requires_grad_())


def test_permuted_points_permute_the_beliefs():
    unary, displacements = problem(30, 5)
    points = torch.rand(30, 3, generator=torch.Generator().manual_seed(1))
    order = torch.randperm(30, generator=torch.Generator().manual_seed(2))
    results = []
    for index in (torch.arange(30), order):
        edges = symmetric_edges(nearest_neighbors(points[index], points[index], 6))
        results.append(propagate_beliefs(unary[index], displacements[index], *edges))
    assert torch.allclose(results[0][order], results[1], atol=1e-9)


def test_module_has_no_state():
    assert not [name for name, value in vars(belief_propagation).items() if isinstance(value, torch.Tensor)]
