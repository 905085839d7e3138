"""The public API as a type checker sees it: what a user writes passes, and a wrong use is found."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mypy")
ROOT = Path(__file__).parents[1]
GOOD = """
import torch

import common
from common import Registration, register

found: Registration = register("a.nii.gz", "b.nii.gz", effort="fast", similarity="mind", init="moments")
points: torch.Tensor = found.move_points(torch.zeros(1, 3))
grade: str = found.verdict.grade
again: Registration = Registration.load("out")
version: str = common.__version__
"""
WRONG = {
    'found: int = register("a.nii.gz", "b.nii.gz")': "Incompatible types in assignment",
    'register("a.nii.gz", "b.nii.gz").verdict.grad': 'has no attribute "grad"',
}


def errors(text, folder):
    """What mypy says about a module; what lies in PyTorch and MONAI does not matter."""
    (folder / "user.py").write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "mypy", "--follow-imports=silent", "--ignore-missing-imports", "user.py"]
    run = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)
    return [line for line in run.stdout.splitlines() if "error:" in line]


def test_the_public_api_is_typed(tmp_path, monkeypatch):
    monkeypatch.setenv("MYPYPATH", str(ROOT))
    assert errors(GOOD, tmp_path) == []
    found = errors("from common import register\n" + "\n".join(WRONG), tmp_path)
    assert len(found) == len(WRONG)
    assert all(message in error for message, error in zip(WRONG.values(), found, strict=True))
