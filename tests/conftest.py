"""Fixtures that every test may use."""

import csv
import importlib.util
import inspect
import itertools
import os
import sys
from pathlib import Path

import pytest
import torch

# Read when ITK is loaded. ANTs sums in the order in which its threads end, and what it finds then differs between runs.
os.environ["ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"] = "1"

ROOT = Path(__file__).parents[1]
collect_ignore = ["bundles/stranger.py"]  # a program that forbids the import of common to its process


def pytest_configure(config):
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", 2)))
    # Python looks for the modules beside a script that it runs.
    sys.path.extend(sorted(map(str, (ROOT / "scripts" / "studies").iterdir())))


@pytest.fixture
def registration_data() -> Path:
    """Folder of the real data sets; a test that asks for it is skipped where there is none."""
    folder = os.environ.get("REGISTRATION_DATA", "")
    if not folder:
        pytest.skip("REGISTRATION_DATA is not set")
    if not Path(folder).is_dir():
        pytest.fail(f"REGISTRATION_DATA must name a folder, got {folder!r}")
    return Path(folder)


@pytest.fixture
def resect_landmarks(registration_data) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """Case → corresponding points of RESECT in MR and in ultrasound, (N, 3) each, RAS mm."""
    with (registration_data / "RESECT" / "landmarks_mm.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    cases = {row["case"]: [] for row in rows}
    for row in rows:
        cases[row["case"]].append([[float(row[f"{image}_{axis}"]) for axis in "xyz"] for image in ("mri", "us")])
    return {case: torch.tensor(points, dtype=torch.float64).unbind(1) for case, points in cases.items()}


@pytest.fixture
def generator() -> torch.Generator:
    """A generator with a fixed seed, fresh for every test."""
    return torch.Generator().manual_seed(0)


@pytest.fixture(scope="session")
def load_script():
    """`load_script("compare")` gives scripts/compare.py, or a study of that name, as a module, fresh at each call."""

    def load(name: str):
        (path,) = (ROOT / "scripts").rglob(f"{name}.py")
        spec = importlib.util.spec_from_file_location(name, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


def _load_test_file(path):
    spec = importlib.util.spec_from_file_location(f"planted_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _parameter_sets(test):
    """Keyword arguments of every parametrization of a test, as pytest would make them."""
    marks = [mark for mark in getattr(test, "pytestmark", []) if mark.name == "parametrize"]
    for values in itertools.product(*(mark.args[1] for mark in marks)):
        arguments = {}
        for mark, value in zip(marks, values, strict=True):
            several = not isinstance(mark.args[0], str)
            arguments.update(zip(mark.args[0], value, strict=True) if several else {mark.args[0]: value})
        yield arguments


@pytest.fixture
def run_with_error(request, monkeypatch):
    """A function that runs a test of the same folder, all its parameters, with one of its functions replaced.

    The function replaced is the one whose name the planted function's name ends in.
    """

    def run(file, test_name, planted):
        module = _load_test_file(request.path.with_name(f"{file}.py"))
        names = [name for name in vars(module) if planted.__name__.endswith(f"_{name}")]
        monkeypatch.setattr(module, max(names, key=len), planted)
        test = getattr(module, test_name)
        for arguments in _parameter_sets(test):
            fixtures = set(inspect.signature(test).parameters) - set(arguments)
            test(**arguments, **{name: request.getfixturevalue(name) for name in fixtures})

    return run
