"""What a registration tells while it runs, and how it is shown."""

import io
import json
import math
import sys

import pytest
import torch
from monai.data import MetaTensor

from common.registration import duration
from common.registration.display import ProgressDisplay
from common.registration.duration import expected_parts
from common.registration.greedy import GreedyRefinement, refinement_of
from common.registration.progress import Part, Progress, Status
from common.registration.registrar import register
from common.registration.steps import DiscreteSearch, Refinement
from common.world.grid import Grid

PARTS = [Part("affine", 0, 10, 10, 1.0), Part("affine", 1, 10, 10, 2.0), Part("refinement", 0, 60, 20, 0.5)]


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def told(clock):
    """A progress that expects 40 seconds, and the list of what it tells."""
    statuses = []
    progress = Progress(statuses.append, clock)
    progress.expect(PARTS)
    return progress, statuses


def test_time_left_is_what_was_expected_where_the_work_keeps_to_it(told, clock):
    progress, statuses = told
    progress.begin("affine")
    for iteration in range(10):
        progress.on_iteration(0, iteration)
        clock.now += 1.0
    progress.on_iteration(1, 0)
    assert [status.seconds_left for status in statuses] == pytest.approx([40, *range(40, 30, -1), 30])
    assert statuses[-1].share == 0.25


def test_time_left_follows_a_machine_that_is_twice_as_slow(told, clock):
    progress, statuses = told
    progress.begin("affine")
    clock.now = 20.0
    progress.on_iteration(1, 0)
    assert statuses[-1].seconds_left == pytest.approx(30 * (20 + 4) / (10 + 4))  # expected 40 s count like 4 s of work


def test_a_level_that_ends_early_counts_as_done(told):
    progress, statuses = told
    progress.begin("affine")
    progress.on_iteration(0, 2)
    progress.on_iteration(1, 0)
    assert statuses[-1].share == 0.25


def test_a_level_that_takes_longer_than_usual_counts_no_more_than_its_share(told):
    progress, statuses = told
    progress.begin("refinement")
    progress.on_iteration(0, 59)
    assert statuses[-1].share == 1.0
    assert str(statuses[-1]) == "refinement, iteration 60 of 60"


def test_time_of_a_step_that_was_not_expected_does_not_count(told, clock):
    progress, statuses = told
    progress.expect(PARTS, besides="bundle")
    progress.begin("affine")
    clock.now = 30.0
    progress.begin("bundle")
    clock.now = 1000.0
    progress.begin("refinement")
    assert statuses[1].share == 0.0
    assert [status.besides for status in statuses] == ["bundle", "bundle", ""]
    assert statuses[-1].seconds_left == pytest.approx(10 * (30 + 4) / (30 + 4))


def blob_pair():
    x = torch.linspace(-1, 1, 24)
    blob = torch.exp(-4 * (x[:, None, None] ** 2 + x[:, None] ** 2 + 2 * x**2))[None]
    return [MetaTensor(blob.roll(k, 1), affine=torch.eye(4)) for k in (0, 2)]


def test_python_is_silent_and_a_callback_hears_every_step_and_iteration(capsys):
    statuses = []
    settings = {"affine": "rigid", "search": 2, "refine": 3, "device": "cpu"}
    register(*blob_pair(), search=1, refine=1, device="cpu")
    assert capsys.readouterr() == ("", "")
    register(*blob_pair(), **settings, on_progress=statuses.append)
    steps = [status.step for status in statuses]
    assert list(dict.fromkeys(steps)) == ["reading", "affine", "search", "refinement"]
    iterations = {step: steps.count(step) - 1 for step in steps}
    assert iterations["affine"] == 12 + 6 * 50
    assert iterations["search"] == 2
    assert 1 <= max(status.iteration for status in statuses if status.step == "refinement") <= 3
    planned = [status for status in statuses if status.iteration]
    assert all(status.level <= status.num_levels and status.iteration <= status.num_iterations for status in planned)
    assert all(map(math.isfinite, (status.seconds_left for status in statuses[1:])))


def test_an_error_of_the_callback_ends_the_registration():
    def stop(status):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        register(*blob_pair(), refine=3, on_progress=stop)


@pytest.mark.parametrize(
    ("affine", "search", "refinement", "counts"),
    [
        ("affine", None, None, {"affine": 6, "writing": 1}),
        ("rigid", DiscreteSearch(1, 2), None, {"affine": 7, "search": 2, "writing": 1}),
        ("", None, refinement_of("fast"), {"refinement": 3, "writing": 1}),
        ("", None, Refinement(5), {"refinement": 3, "writing": 1}),
        ("", None, None, {}),
    ],
)
def test_every_level_is_expected(affine, search, refinement, counts, monkeypatch):
    monkeypatch.setattr(duration, "voxel_seconds", lambda similarity="lncc": 1e-6)
    parts = expected_parts(Grid((64, 64, 64), torch.eye(4)), affine, search, refinement)
    assert {part.step: sum(other.step == part.step for other in parts) for part in parts} == counts
    assert all(part.seconds > 0 for part in parts)


def test_eight_times_the_voxels_take_eight_times_as_long(monkeypatch):
    monkeypatch.setattr(duration, "voxel_seconds", lambda similarity="lncc": 1e-6)

    def seconds(size):
        parts = expected_parts(Grid((size,) * 3, torch.eye(4)), "", None, GreedyRefinement(20, num_levels=1))
        return next(part.seconds for part in parts if part.step == "refinement")

    assert seconds(128) / seconds(64) == pytest.approx(8, rel=0.02)  # each iteration has 2 ms of its own


def test_the_trial_of_descriptors_takes_longer_than_that_of_intensities():
    assert 0 < duration.voxel_seconds("mse") < duration.voxel_seconds("mind")


def test_nothing_is_expected_of_a_gpu():
    assert expected_parts(Grid((64, 64, 64), torch.eye(4)), "affine", None, None, "cuda:0") == []


def status(seconds_left, share=0.5, iteration=14):
    return Status("refinement", 2, 3, iteration, 60, share=share, seconds_left=seconds_left)


def test_without_a_terminal_a_line_comes_at_each_step_and_every_five_seconds(clock):
    file = io.StringIO()
    with ProgressDisplay(2, file=file, clock=clock) as display:
        display.pair("case001")
        display(Status("reading"))
        for second in range(12):
            clock.now = float(second)
            display(status(20.0 - second, share=second / 20, iteration=second + 1))
    assert file.getvalue().splitlines() == [
        "case001 (1/2): 0 s: reading",
        "case001 (1/2): about 20 s on this machine",
        "case001 (1/2): 0 s: refinement, level 2 of 3, iteration 1 of 60",
        "case001 (1/2): 5 s: refinement, level 2 of 3, iteration 6 of 60, 15 s left",
        "case001 (1/2): 10 s: refinement, level 2 of 3, iteration 11 of 60, 10 s left",
    ]


def test_in_a_terminal_the_bar_holds_step_share_and_time_left(clock):
    file = io.StringIO()
    file.isatty = lambda: True
    with ProgressDisplay(file=file, clock=clock) as display:
        display.pair("")
        display(status(23.0))
    assert "refinement, level 2 of 3, iteration 14 of 60  50%|" in file.getvalue()
    assert "23 s left" in file.getvalue()
    assert "about 23 s on this machine" in file.getvalue()


def test_the_command_tells_device_and_threads_once_and_leaves_the_result_on_stdout(
    pair, tmp_path, load_script, monkeypatch, capsys
):
    words = ["--fixed", pair[0], "--moving", pair[1], "--output_dir", str(tmp_path / "out"), "--refine", "2"]
    monkeypatch.setattr(sys, "argv", ["register.py", *words, "--noreport"])
    load_script("register").main()
    told = capsys.readouterr()
    assert told.err.splitlines()[0] == f"device {register_device()}, {torch.get_num_threads()} threads"
    assert told.err.count("threads") == 1
    assert "refinement" in told.err
    assert json.loads(told.out.rpartition("}")[0] + "}")["seconds"] > 0


def register_device():
    return "cuda:0" if torch.cuda.is_available() else "cpu"
