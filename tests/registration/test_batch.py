import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from common.registration.api import Registrar
from common.registration.batch import Request, read_jobs, run_job

SCRIPT = Path(__file__).parents[2] / "scripts" / "register.py"
RESULTS = {"warped.nii.gz", "field.nii.gz", "affine.tfm", "metrics.json"}


def write_list(folder, pair, count, broken=()):
    """CSV of pairs, some of which name a file that is none."""
    (folder / "broken.nii.gz").write_text("no image")
    lines = ["name,fixed,moving"]
    lines += [f"case{k:03d},{pair[0]},{'broken.nii.gz' if k in broken else pair[1]}" for k in range(count)]
    (folder / "pairs.csv").write_text("\n".join(lines) + "\n")
    return folder / "pairs.csv"


@pytest.fixture
def main(load_script, monkeypatch):
    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["register.py", *map(str, arguments)])
        load_script("register").main()

    return run


def test_failures_are_listed_with_reasons_and_the_others_are_done(pair, tmp_path, main, capsys):
    pairs = write_list(tmp_path, pair, 3, broken=[1])
    with pytest.raises(SystemExit) as stopped:
        main("--pairs", pairs, "--output_dir", tmp_path / "out", "--noreport")
    captured = capsys.readouterr()
    assert stopped.value.code == 1
    assert "2 of 3 pairs are registered" in captured.out
    assert "failed: case001: " in captured.err
    assert "expected a NIfTI file" in captured.err
    assert {path.name for path in (tmp_path / "out" / "case002").iterdir()} == RESULTS
    assert not list((tmp_path / "out" / "case001").iterdir())


def test_a_second_run_does_only_what_is_missing(pair, tmp_path, main):
    pairs = write_list(tmp_path, pair, 2)
    command = ["--pairs", pairs, "--output_dir", tmp_path / "out", "--noreport"]
    main(*command)
    kept, lost = (tmp_path / "out" / f"case00{k}" / "warped.nii.gz" for k in (0, 1))
    before = kept.stat().st_mtime_ns
    lost.unlink()
    main(*command)
    assert kept.stat().st_mtime_ns == before
    assert lost.is_file()


def test_results_of_other_settings_are_not_replaced_unasked(pair, tmp_path):
    job = read_jobs(write_list(tmp_path, pair, 1))[0]
    request = Request(report=False)
    run_job(job, Registrar(device="cpu"), tmp_path / "out", request)
    with pytest.raises(FileExistsError, match=r"init differ.*--overwrite"):
        run_job(job, Registrar(init="center", device="cpu"), tmp_path / "out", request)
    metrics = run_job(job, Registrar(init="center", device="cpu"), tmp_path / "out", request, overwrite=True)
    assert metrics["settings"]["init"] == "center"


def test_a_json_list_is_the_same_as_a_csv_list(pair, tmp_path):
    entries = [{"fixed": pair[0], "moving": pair[1], "name": "case000"}]
    (tmp_path / "pairs.json").write_text(json.dumps({"pairs": entries}))
    assert read_jobs(tmp_path / "pairs.json") == read_jobs(write_list(tmp_path, pair, 1))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fixed,movin\na,b\n", "did you mean 'moving'"),
        ("fixed,moving\na,\n", "moving is missing"),
        ("fixed,moving,name\na,b,x\na,b,x\n", "every name once, got x"),
        ("fixed,moving,name\na,b,../x\n", "a name that can be a folder"),
        ("fixed,moving\n", "expected a list of pairs"),
    ],
)
def test_a_wrong_list_is_refused_before_any_work(text, message, tmp_path):
    (tmp_path / "pairs.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_jobs(tmp_path / "pairs.csv")


@pytest.mark.slow
def test_two_processes_share_a_list_and_a_failure_of_one_stops_neither(pair, tmp_path):
    pairs = write_list(tmp_path, pair, 5, broken=[0])
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", 2, "--master_port", 29777, SCRIPT]
    command += ["--pairs", pairs, "--output_dir", tmp_path / "out", "--noreport", "--device", "cpu"]
    found = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert found.returncode != 0
    assert "4 of 5 pairs are registered" in found.stdout
    assert "failed: case000" in found.stderr
    assert len(list((tmp_path / "out").glob("*/metrics.json"))) == 4


@pytest.mark.slow
def test_a_hundred_pairs_killed_half_way_end_complete(tmp_path):
    import nibabel as nib

    noise = np.random.default_rng(0).random((12, 12, 12)).astype(np.float32)
    files = []
    for number in range(2):
        nib.save(nib.Nifti1Image(np.roll(noise, number, 0), np.eye(4)), tmp_path / f"{number}.nii.gz")
        files.append(str(tmp_path / f"{number}.nii.gz"))
    command = [sys.executable, SCRIPT, "--pairs", write_list(tmp_path, files, 100), "--output_dir", tmp_path / "out"]
    command = list(map(str, [*command, "--refine", "3", "--num_levels", "1"]))
    process = subprocess.Popen(command)
    done = tmp_path / "out"
    while len(list(done.glob("*/metrics.json"))) < 50 and process.poll() is None:
        time.sleep(0.1)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    first = {path: path.stat().st_mtime_ns for path in done.glob("*/metrics.json")}
    assert 50 <= len(first) < 100
    assert subprocess.run(command).returncode == 0
    names = {path.name for path in done.glob("*/*")}
    assert len(list(done.glob("*/metrics.json"))) == 100
    assert names == RESULTS | {"report.html"}
    assert all(path.stat().st_mtime_ns == time_ns for path, time_ns in first.items())
