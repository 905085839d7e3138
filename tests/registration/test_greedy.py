import json
import sys
from dataclasses import replace

import pytest
import torch
from monai.data import MetaTensor

from common.fields.jacobian import jacobian_determinant
from common.registration.greedy import EFFORTS, GreedyRefinement, refine_greedily, refinement_of
from common.registration.registrar import register
from common.registration.steps import Refinement
from common.world.grid import Grid
from common.world.resample import field_mm_to_ddf
from tests.heads import bend, head_pair, world_points
from tests.registration.test_refinement import AFFINE, blobs, mean_shift


@pytest.mark.parametrize("similarity", ["lncc", "mse", "mind"])
def test_a_shift_is_found_in_world_millimeters_without_folds(similarity):
    settings = GreedyRefinement(60, similarity, num_levels=2, fluid=2.0)
    field_mm = refine_greedily(blobs(), blobs((3.0, -2.0, 1.0)), None, settings)
    assert mean_shift(field_mm) == pytest.approx([3.0, -2.0, 1.0], abs=0.6)
    assert jacobian_determinant(field_mm_to_ddf(field_mm, Grid.from_image(blobs()))[None]).min() > 0


def test_it_starts_from_the_field_it_gets_even_where_that_is_large():
    far = MetaTensor(blobs().as_tensor(), affine=AFFINE.clone())
    far.affine[0, 3] += 300.0
    start = torch.zeros(3, *blobs().shape[1:])
    start[0], start[1] = 300.0, 1.0
    field_mm = refine_greedily(blobs(), far, start, GreedyRefinement(30, num_levels=1))
    assert mean_shift(field_mm) == pytest.approx([300.0, 0.0, 0.0], abs=0.5)


@pytest.mark.parametrize("axis", [0, 2])
def test_a_moving_image_that_ends_within_the_head_does_no_harm_to_the_rest(axis):
    fixed, moving = (torch.from_numpy(image).float()[None] for image in head_pair())
    points, kept = world_points(torch.eye(4)), 4 * moving.size(axis + 1) // 5
    truth = torch.from_numpy(bend(points)).movedim(-1, 0)
    moving = MetaTensor(moving.narrow(axis + 1, 0, kept), affine=torch.eye(4))
    seen = (fixed[0] > 0) & (torch.from_numpy(points[..., axis]) + truth[axis] < kept - 1)
    settings = GreedyRefinement(60, num_levels=2, spacing_mm=2.0)
    field_mm = refine_greedily(MetaTensor(fixed, affine=torch.eye(4)), moving, None, settings)
    error_mm = (field_mm - truth).norm(dim=0)[seen].mean()
    assert error_mm < 0.35 * truth.norm(dim=0)[seen].mean()


def test_iterations_are_limited_on_each_level():
    seen = []
    settings = GreedyRefinement(3, finest_iterations=2, num_levels=2)
    refine_greedily(blobs(), blobs((3.0, 0.0, 0.0)), None, settings, on_iteration=lambda *now: seen.append(now[:2]))
    assert seen == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1)]


@pytest.mark.parametrize(("effort", "of_one_contrast"), [("normal", 10), ("best", 20)])
def test_descriptors_have_three_iterations_on_the_finest_level_of_a_large_image(effort, of_one_contrast):
    settings = [replace(EFFORTS[effort], similarity=name) for name in ("lncc", "mind", "features")]
    grids = [Grid((size, 100, 100), torch.eye(4)) for size in (50, 90, 180)]
    finest = [[each.iterations(levels)[-1] for each in settings] for levels in (grids[:2], grids, grids[2:])]
    assert finest == [[60] * 3, [of_one_contrast, 3, 3], [of_one_contrast] * 3]


@pytest.mark.parametrize("effort", ["normal", "best"])
@pytest.mark.parametrize("similarity", ["lncc", "mind"])
@pytest.mark.parametrize("shape", [(64, 64, 64), (100, 100, 100), (300, 300, 9), (280, 290, 12)])
def test_no_effort_does_less_than_fast_on_an_image_that_fast_leaves_as_it_is(effort, similarity, shape):
    fast, other = (replace(EFFORTS[name], similarity=similarity) for name in ("fast", effort))
    plans = [each.iterations(each.grids(Grid(shape, torch.eye(4))))[::-1] for each in (fast, other)]
    assert all(most >= least for least, most in zip(*plans, strict=False))


def test_no_step_is_normal_effort_and_none_leaves_the_headers_alone():
    pair = blobs(), blobs((3.0, -2.0, 1.0))
    settings = {effort: register(*pair, effort=effort).settings for effort in ("", "normal", "fast", "none")}
    assert settings[""] == settings["normal"]
    assert settings["fast"]["affine"] == "affine"
    assert settings["none"]["affine"] == ""
    assert settings["none"]["refinement"] is None
    assert settings[""]["refinement"]["max_voxels"] > settings["fast"]["refinement"]["max_voxels"]


def test_a_number_is_greedy_and_adam_is_asked_for():
    pair = blobs(), blobs((1.0, 0.0, 0.0))
    found = [register(*pair, refine=refine).settings["refinement"] for refine in (2, Refinement(2, num_levels=1))]
    assert ["fluid" in settings for settings in found] == [True, False]


@pytest.fixture
def command(pair, tmp_path, load_script, monkeypatch):
    """Settings that a command line leads to; it may end with an error."""

    def run(*arguments):
        options = ["--fixed", pair[0], "--moving", pair[1], "--output_dir", tmp_path, "--noreport", "--overwrite"]
        monkeypatch.setattr(sys, "argv", list(map(str, ["register.py", *options, *arguments])))
        load_script("register").main()
        return json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))["settings"]

    return run


@pytest.mark.parametrize(
    ("arguments", "affine", "solver"),
    [
        ([], "affine", "greedy"),
        (["--effort", "fast", "--affine", "rigid", "--similarity", "mind"], "rigid", "greedy"),
        (["--refine", 2], "", "greedy"),
        (["--refine", 2, "--solver", "adam", "--weight", 1], "", "adam"),
        (["--refine", 2, "--similarity", "mi"], "", "adam"),
        (["--effort", "none"], "", None),
        (["--affine"], "affine", None),
    ],
)
def test_options_choose_affine_map_and_solver(arguments, affine, solver, command):
    settings = command(*arguments)
    found = settings["refinement"] and ("greedy" if "fluid" in settings["refinement"] else "adam")
    assert (settings["affine"], found) == (affine, solver)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--effort", "much"], "effort: expected one of none, fast, normal, best, got 'much'"),
        (["--effort", "fast", "--refine", 2], "either --effort fast or --refine, got both"),
        (
            ["--effort", "fast", "--similarity", "mi"],
            "similarity: expected one of auto, lncc, mse, mind, features, got",
        ),
        (["--refine", 2, "--weight", 1], "--weight: expected --solver adam beside, got none"),
        (["--refine", 2, "--solver", "newton"], "solver: expected one of greedy, adam, got 'newton'"),
        (["--effort", "fast", "--num_levels", 2], "--num_levels: expected --refine beside"),
        (["--affine", "--similarity", "mse"], "--similarity: expected --refine or --effort beside"),
    ],
)
def test_options_that_contradict_are_refused(arguments, message, command, capsys):
    with pytest.raises(SystemExit):
        command(*arguments)
    assert message in capsys.readouterr().err


def test_wrong_settings_are_refused_before_any_work():
    for wrong in ({"similarity": "mi"}, {"num_levels": 0}, {"fluid": -1.0}, {"spacing_mm": -1.0}):
        with pytest.raises(ValueError, match="expected"):
            GreedyRefinement(**wrong)
    assert refinement_of("none") is None
    assert set(EFFORTS) == {"fast", "normal", "best"}
