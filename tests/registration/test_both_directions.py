"""Tests of registrations in both directions."""

import pytest
import torch
from monai.data import MetaTensor

from common.registration.both_directions import mean_of_directions
from common.registration.greedy import GreedyRefinement, refine_greedily
from common.world.grid import Grid
from common.world.maps import invert_field_mm
from tests.heads import bend, head_pair, world_points

GRID = Grid((48, 20, 16), torch.eye(4))
BOTH = GreedyRefinement(40, num_levels=2, spacing_mm=2.0, both_directions=True)


@pytest.fixture(scope="module")
def heads():
    return [MetaTensor(torch.from_numpy(image).float()[None], affine=torch.eye(4)) for image in head_pair()]


def test_two_fields_of_one_map_have_that_map_as_their_mean():
    there = torch.zeros(3, *GRID.spatial_shape)
    there[0] = torch.linspace(-1, 1, 48).view(-1, 1, 1)
    back = invert_field_mm(there, GRID, GRID)
    inner = (slice(None), slice(6, -6), slice(6, -6), slice(6, -6))
    torch.testing.assert_close(mean_of_directions(there, GRID, back, GRID)[inner], there[inner], atol=0.02, rtol=0)


def test_where_the_moving_image_has_ended_the_field_stays():
    ended = Grid((30, 20, 16), torch.eye(4))
    there, back = torch.full((3, *GRID.spatial_shape), 0.5), torch.full((3, *ended.spatial_shape), -0.6)
    mean = mean_of_directions(there, GRID, back, ended)
    assert mean[0, 8, 10, 8].item() == pytest.approx(0.55, abs=0.01)
    assert mean[0, 38:].unique().tolist() == [0.5]


def test_where_the_directions_disagree_the_field_stays():
    there, back = torch.full((3, *GRID.spatial_shape), 0.5), torch.full((3, *GRID.spatial_shape), -20.5)
    assert mean_of_directions(there, GRID, back, GRID).max().item() == pytest.approx(0.5, abs=0.02)


def test_exchanged_images_lead_back_and_the_error_is_smaller(heads):
    truth = torch.from_numpy(bend(world_points(torch.eye(4)))).movedim(-1, 0)
    grid, inside = Grid.from_image(heads[0]), heads[0][0] > 0
    errors, gaps = {}, {}
    for name, settings in (("both", BOTH), ("one", GreedyRefinement(40, num_levels=2, spacing_mm=2.0))):
        field_mm = refine_greedily(*heads, None, settings)
        reverse = invert_field_mm(refine_greedily(*heads[::-1], None, settings), grid, grid)
        errors[name] = (field_mm - truth).norm(dim=0)[inside].mean()
        gaps[name] = (field_mm - reverse).norm(dim=0)[inside].mean()
    assert gaps["both"] < 0.5 * gaps["one"]
    assert errors["both"] < errors["one"]


def test_iterations_of_the_way_back_count_as_levels_of_their_own(heads):
    told = set()
    refine_greedily(*heads, None, BOTH, on_iteration=lambda level, *_: told.add(level))
    assert told == {0, 1, 2, 3}


@pytest.mark.parametrize(("similarity", "directions"), [("lncc", 2), ("mse", 2), ("mind", 1)])
def test_descriptors_go_one_way(similarity, directions):
    assert GreedyRefinement(5, similarity, both_directions=True).num_directions == directions
