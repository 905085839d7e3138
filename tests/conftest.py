"""Fixtures that every test may use."""

import importlib.util
import os
from pathlib import Path

import pytest
import torch

# Read when ITK is loaded. ANTs sums in the order in which its threads end, and what it finds then differs between runs.
os.environ["ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"] = "1"

ROOT = Path(__file__).parents[1]
collect_ignore = ["bundles/stranger.py"]  # a program that forbids the import of common to its process


def pytest_configure(config):
    torch.set_num_threads(2)


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
def generator() -> torch.Generator:
    """A generator with a fixed seed, fresh for every test."""
    return torch.Generator().manual_seed(0)


@pytest.fixture(scope="session")
def load_script():
    """`load_script("compare")` gives scripts/compare.py as a module, fresh at each call."""

    def load(name: str):
        spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load
