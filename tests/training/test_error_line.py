"""The last lines of a run that fails."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from common.training.error_line import report

ROOT = Path(__file__).parents[2]
TRAIN = "bundles/wasserstein_voxelmorph/configs/train.json"
INFERENCE = "bundles/mcd_pemd/configs/inference.json"


def run(tmp_path, *words, **variables):
    command = [sys.executable, "-m", "monai.bundle", "run", *words, "--run_folder", str(tmp_path)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)} | variables
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, check=False)


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        (("training", "--config_file", TRAIN, "--max_epoch", "2"), "'max_epoch' (did you mean 'max_epochs'?)"),
        (("training", "--config_file", TRAIN, "--dataset_dir", "."), "expected the file dataset.json, but its folder"),
        (
            ("registering", "--config_file", INFERENCE, "--fixed", "README.md", "--moving", "README.md"),
            "README.md: expected a NIfTI file, found content that is none",
        ),
    ],
    ids=["option", "folder", "transform"],
)
def test_a_failing_run_ends_with_its_cause_and_without_a_traceback(tmp_path, words, cause):
    ended = run(tmp_path, *words)
    assert ended.returncode == 1
    last = ended.stderr.splitlines()[-1]
    assert last.startswith("error: ")
    assert cause in last
    assert "Traceback" not in ended.stderr
    assert "Transform input info" not in ended.stdout + ended.stderr


def test_the_traceback_is_there_for_those_who_ask(tmp_path):
    ended = run(tmp_path, "training", "--config_file", TRAIN, "--max_epoch", "2", REGISTRATION_TRACEBACK="1")
    assert "Traceback" in ended.stderr
    assert "Failed to instantiate" in ended.stderr.splitlines()[-2]


def test_an_error_that_is_no_fault_of_the_input_keeps_its_traceback(capsys):
    try:
        try:
            [].no_such_name  # noqa: B018
        except AttributeError as error:
            raise RuntimeError("Failed to instantiate component") from error
    except RuntimeError as error:
        report(RuntimeError, error, error.__traceback__)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("Traceback")
    assert lines[-1] == "error: AttributeError: 'list' object has no attribute 'no_such_name'"
