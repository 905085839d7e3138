import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch

from common.registration import outputs
from common.registration.batch import Request, read_jobs, run_job
from common.registration.registrar import Registrar

SCRIPT = Path(__file__).parents[2] / "scripts" / "register.py"
QUICK = ("--effort", "none")
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
        main("--pairs", pairs, "--output_dir", tmp_path / "out", "--noreport", *QUICK)
    captured = capsys.readouterr()
    assert stopped.value.code == 1
    assert "2 of 3 pairs are registered" in captured.out
    assert "failed: case001: " in captured.err
    assert "expected a NIfTI file" in captured.err
    assert {path.name for path in (tmp_path / "out" / "case002").iterdir()} == RESULTS
    assert not (tmp_path / "out" / "case001").exists()


def test_a_second_run_does_only_what_is_missing(pair, tmp_path, main, capsys):
    pairs = write_list(tmp_path, pair, 2)
    command = ["--pairs", pairs, "--output_dir", tmp_path / "out", "--noreport", *QUICK]
    main(*command)
    kept, lost = (tmp_path / "out" / f"case00{k}" / "warped.nii.gz" for k in (0, 1))
    before = kept.stat().st_mtime_ns
    lost.unlink()
    main(*command)
    assert kept.stat().st_mtime_ns == before
    assert lost.is_file()
    assert f"{kept.parent}: already registered, nothing done" in capsys.readouterr().out


def test_results_of_other_settings_are_not_replaced_unasked(pair, tmp_path):
    job = read_jobs(write_list(tmp_path, pair, 1))[0]
    request = Request(report=False)
    run_job(job, Registrar(device="cpu"), tmp_path / "out", request)
    with pytest.raises(FileExistsError, match=r"init differ.*--overwrite"):
        run_job(job, Registrar(init="center", device="cpu"), tmp_path / "out", request)
    metrics = run_job(job, Registrar(init="center", device="cpu"), tmp_path / "out", request, overwrite=True)
    assert metrics["settings"]["init"] == "center"


@pytest.fixture
def single(pair, tmp_path, main, monkeypatch):
    """Registers copies of the pair into out/, by relative names."""
    monkeypatch.chdir(tmp_path)
    for name, path in zip(("fixed", "moving"), pair, strict=True):
        shutil.copy(path, f"{name}.nii.gz")
    return partial(
        main, "--fixed", "fixed.nii.gz", "--moving", "moving.nii.gz", "--output_dir", "out", "--noreport", *QUICK
    )


def error_of(run, *arguments, capsys):
    """The line in which a command ends that is refused."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as stopped:
        run(*arguments)
    assert stopped.value.code == 1
    return capsys.readouterr().err


def content(folder):
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}


def test_overwrite_registers_again(single, tmp_path):
    single()
    before = content(tmp_path / "out")
    single()
    assert content(tmp_path / "out") == before
    single("--overwrite")
    assert all(content(tmp_path / "out")[name][1] > before[name][1] for name in RESULTS)


@pytest.mark.parametrize("name", ["fixed", "moving_label"])
def test_an_input_with_another_content_is_not_current(name, single, tmp_path, capsys):
    shutil.copy("moving.nii.gz", "moving_label.nii.gz")
    save_labels("moving_label.nii.gz", 1)
    single("--moving_label", "moving_label.nii.gz")
    settings = json.loads((tmp_path / "out" / "metrics.json").read_text(encoding="utf-8"))["settings"]
    assert settings["annotations"]["moving_label"] == str(tmp_path / "moving_label.nii.gz")
    save_labels(f"{name}.nii.gz", 2)
    error = error_of(single, "--moving_label", "moving_label.nii.gz", capsys=capsys)
    assert f"({name}_sha256 differ)" in error


def save_labels(path, value):
    """Replace the voxels of an image by a block of one label."""
    image = nib.load(path)
    labels = np.zeros(image.shape, np.uint8)
    labels[5:12, 5:12, 5:12] = value
    nib.save(nib.Nifti1Image(labels, image.affine), path)


def test_other_weights_under_the_same_name_are_other_settings(tmp_path):
    weights = torch.load(SCRIPT.parents[1] / "bundles/wasserstein_voxelmorph/models/model.pt", weights_only=True)
    found = []
    for factor in (1, 2):
        weights["flow.bias"] *= factor
        torch.save(weights, tmp_path / "model.pt")
        found.append(Registrar("wasserstein_voxelmorph", device="cpu", ckpt_path=tmp_path / "model.pt").settings)
    assert [key for key in found[0] if found[0][key] != found[1][key]] == ["weights_sha256"]


@pytest.mark.parametrize("link", [False, True])
@pytest.mark.parametrize("overwrite", [[], ["--overwrite"]])
def test_an_output_that_is_an_input_is_refused(link, overwrite, pair, main, tmp_path, capsys):
    moving = tmp_path / "warped.nii.gz"
    shutil.copy(pair[1], moving)
    (tmp_path / "out").symlink_to(tmp_path)
    before = moving.read_bytes()
    command = ["--fixed", pair[0], "--moving", moving, "--output_dir", tmp_path / "out" if link else tmp_path]
    error = error_of(main, *command, *overwrite, capsys=capsys)
    assert f"no result replaces an input, got that of {moving}" in error
    assert moving.read_bytes() == before


def test_an_input_that_an_older_result_named_is_not_removed(single, tmp_path, capsys):
    single("--inverse")
    shutil.copy("moving.nii.gz", "out/inverse_field.nii.gz")
    error = error_of(single, "--moving", "out/inverse_field.nii.gz", "--overwrite", capsys=capsys)
    assert "no result replaces an input" in error
    assert (tmp_path / "out" / "inverse_field.nii.gz").is_file()


def test_files_of_another_program_are_not_replaced_unasked(single, tmp_path, capsys):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "warped.nii.gz").write_text("of ANTs")
    error = error_of(single, capsys=capsys)
    assert "got files without their metrics.json (warped.nii.gz); --overwrite replaces them" in error
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["warped.nii.gz"]
    single("--overwrite")
    assert set(content(tmp_path / "out")) == RESULTS


@pytest.mark.parametrize("moment", ["while writing", "while replacing"])
def test_a_killed_run_is_continued(moment, single, tmp_path):
    unfinished = tmp_path / "out" / ".unfinished"
    unfinished.mkdir(parents=True)
    (unfinished / ".field.nii.gz.abcdefgh").write_text("half")
    if moment == "while replacing":
        (tmp_path / "out" / "warped.nii.gz").write_text("whole")
    single()
    assert set(content(tmp_path / "out")) == RESULTS


@pytest.mark.parametrize("moment", ["registering", "writing"])
def test_a_failure_keeps_the_old_result(moment, single, tmp_path, capsys, monkeypatch):
    single()
    before = content(tmp_path / "out")

    def fail(*arguments, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    place = (Registrar, "_improved") if moment == "registering" else (outputs, "save_affine")
    monkeypatch.setattr(*place, fail)
    assert "No space left" in error_of(single, "--overwrite", "--inverse", capsys=capsys)
    assert content(tmp_path / "out") == before


def test_files_that_the_new_result_does_not_have_are_removed(single, tmp_path):
    single("--inverse", "--report")
    assert set(content(tmp_path / "out")) == RESULTS | {"inverse_field.nii.gz", "report.html"}
    assert "_sha256" not in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    (tmp_path / "out" / "notes.txt").write_text("of the user")
    single("--overwrite")
    assert set(content(tmp_path / "out")) == RESULTS | {"notes.txt"}


def test_what_shows_to_be_wrong_at_the_end_leaves_no_folder(single, tmp_path, capsys):
    assert "expected two images of one shape" in error_of(single, "--learn2reg", capsys=capsys)
    assert not (tmp_path / "out").exists()
    shutil.copy("moving.nii.gz", "label.nii.gz")
    save_labels("label.nii.gz", 1)
    error = error_of(single, "--fixed_label", "label.nii.gz", capsys=capsys)
    assert f"label.nii.gz: expected the shape of {Path('fixed.nii.gz').absolute()}, (" in error
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("step", "is_warned"), [([], True), (["--init", "center"], False), (["--search", 1], False)])
def test_a_command_without_a_step_is_warned(step, is_warned, single, tmp_path, capsys):
    single(*step)
    assert ("warning: expected a step, such as --affine" in capsys.readouterr().err) == is_warned
    assert (tmp_path / "out" / "metrics.json").is_file()


def test_a_tilde_is_the_home_folder(pair, main, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    for name, path in zip(("fixed", "moving", "label"), (*pair, pair[1]), strict=True):
        shutil.copy(path, tmp_path / f"{name}.nii.gz")
    save_labels(tmp_path / "label.nii.gz", 1)
    main(
        "--fixed=~/fixed.nii.gz",
        "--moving=~/moving.nii.gz",
        "--moving_label=~/label.nii.gz",
        "--output_dir=~/out",
        *QUICK,
    )
    assert (tmp_path / "out" / "warped_label.nii.gz").is_file()
    write_list(tmp_path, ["~/fixed.nii.gz", "~/moving.nii.gz"], 1)
    main("--pairs=~/pairs.csv", "--output_dir=~/pairs", "--noreport", *QUICK)
    assert set(content(tmp_path / "pairs" / "case000")) == RESULTS


def test_names_that_are_numbers_are_names(pair, main, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    main("--fixed", pair[0], "--moving", pair[1], "--output_dir", 12345, "--noreport", *QUICK)
    assert set(content(tmp_path / "12345")) == RESULTS


def test_printed_scores_are_named(single, capsys):
    for name in ("fixed", "moving"):
        shutil.copy(f"{name}.nii.gz", f"{name}_label.nii.gz")
        save_labels(f"{name}_label.nii.gz", 1)
    capsys.readouterr()
    single("--fixed_label", "fixed_label.nii.gz", "--moving_label", "moving_label.nii.gz")
    shown = json.JSONDecoder().raw_decode(capsys.readouterr().out)[0]
    assert 0 < shown["overlap"]["after"]["dice"] < 1


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


def test_a_batch_ends_with_a_page_of_all_pairs_also_when_it_is_resumed(pair, tmp_path, main):
    command = ["--pairs", write_list(tmp_path, pair, 2, broken=[1]), "--output_dir", tmp_path / "out", *QUICK]
    for _ in range(2):
        with pytest.raises(SystemExit):
            main(*command)
        page = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
        assert 'href="case000/report.html"' in page
        assert "expected a NIfTI file" in page
        (tmp_path / "out" / "index.html").unlink()
    with pytest.raises(SystemExit):
        main(*command, "--noreport", "--overwrite")
    assert not (tmp_path / "out" / "index.html").exists()


def test_a_page_of_another_program_in_the_folder_of_a_batch_is_refused_before_any_work(pair, tmp_path, main, capsys):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "index.html").write_text("of another program")
    error = error_of(
        main, "--pairs", write_list(tmp_path, pair, 1), "--output_dir", tmp_path / "out", *QUICK, capsys=capsys
    )
    assert "index.html: expected no file or the index of an earlier run" in error
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["index.html"]


@pytest.mark.slow
def test_two_processes_share_a_list_and_a_failure_of_one_stops_neither(pair, tmp_path):
    pairs = write_list(tmp_path, pair, 5, broken=[0])
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", 2, "--master_port", 29777, SCRIPT]
    command += ["--pairs", pairs, "--output_dir", tmp_path / "out", "--device", "cpu", *QUICK]
    found = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert found.returncode != 0
    assert "4 of 5 pairs are registered" in found.stdout
    assert "failed: case000" in found.stderr
    assert len(list((tmp_path / "out").glob("*/metrics.json"))) == 4
    assert (tmp_path / "out" / "index.html").read_text(encoding="utf-8").count("<tr>") == 1 + 5


@pytest.mark.slow
def test_a_hundred_pairs_killed_half_way_end_complete(tmp_path):
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


def nodes(command):
    """Two agents of torchrun on this machine, one process each, in process groups of their own."""
    launch = [sys.executable, "-m", "torch.distributed.run", "--nnodes", "2", "--nproc_per_node", "1"]
    launch += ["--master_addr", "127.0.0.1", "--master_port", "29781"]
    return [
        subprocess.Popen([*launch, "--node_rank", str(node), *command], start_new_session=True) for node in range(2)
    ]


@pytest.mark.slow
def test_two_hundred_pairs_on_two_nodes_of_which_one_is_killed_end_complete_and_none_is_done_twice(tmp_path):
    noise = np.random.default_rng(0).random((12, 12, 12)).astype(np.float32)
    files = []
    for number in range(2):
        nib.save(nib.Nifti1Image(np.roll(noise, number, 0), np.eye(4)), tmp_path / f"{number}.nii.gz")
        files.append(str(tmp_path / f"{number}.nii.gz"))
    out = tmp_path / "out"
    command = [SCRIPT, "--pairs", write_list(tmp_path, files, 200), "--output_dir", out, "--effort", "none"]
    command = list(map(str, [*command, "--refine", "2", "--num_levels", "1", "--num_threads", "1"]))
    started = nodes(command)
    while len(list(out.glob("*/metrics.json"))) < 100 and all(agent.poll() is None for agent in started):
        time.sleep(0.2)
    os.killpg(started[1].pid, signal.SIGKILL)
    os.killpg(started[0].pid, signal.SIGTERM)
    for agent in started:
        agent.wait()
    first = {path: path.stat().st_mtime_ns for path in out.glob("*/metrics.json")}
    assert 100 <= len(first) < 200
    assert [agent.wait() for agent in nodes(command)] == [0, 0]
    assert len(list(out.glob("*/metrics.json"))) == 200
    assert all(path.stat().st_mtime_ns == time_ns for path, time_ns in first.items())
    assert not list(out.glob("*/.unfinished"))
    assert (out / "index.html").read_text(encoding="utf-8").count("<tr>") == 1 + 200


def test_parts_of_a_list_are_registered_apart_and_the_whole_command_ends_it(pair, tmp_path, main, capsys):
    pairs = write_list(tmp_path, pair, 3)
    arguments = ("--pairs", pairs, "--output_dir", tmp_path / "out", *QUICK)
    main(*arguments, "--shard", "2/2")
    assert [path.parent.name for path in (tmp_path / "out").glob("*/metrics.json")] == ["case001"]
    assert not (tmp_path / "out" / "index.html").exists()
    main(*arguments, "--shard", "1/2")
    main(*arguments)
    assert capsys.readouterr().out.count("already registered") == 3
    assert (tmp_path / "out" / "index.html").is_file()
    for shard in ("3/2", "0/2", "2"):
        with pytest.raises(SystemExit):
            main(*arguments, "--shard", shard)
        assert f"shard: expected a part such as 2/10 beside --pairs, got '{shard}'" in capsys.readouterr().err
