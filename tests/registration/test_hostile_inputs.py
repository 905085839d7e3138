"""What a user may hand in by mistake: one clear line, exit code 1, no file under a final name."""

import gzip
import os
import resource
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch

SCRIPT = Path(__file__).parents[2] / "scripts" / "register.py"
SHAPE = (16, 14, 12)
FINAL_NAMES = ("warped.nii.gz", "field.nii.gz", "affine.tfm", "metrics.json", "report.html")


def values(seed=0, dtype=np.float32):
    return (100 * np.random.default_rng(seed).random(SHAPE)).astype(dtype)


def save(path, array, affine=None, change=None):
    image = nib.Nifti1Image(array, np.eye(4) if affine is None else affine)
    if change:
        change(image.header)
    nib.save(image, path)


def truncated(path):
    save(path, values())
    path.write_bytes(path.read_bytes()[:3000])


def disagreeing(path):
    image = nib.Nifti1Image(values(), np.eye(4))
    image.set_sform(np.diag([1, 1, 1, 1]), code=1)
    image.set_qform(np.diag([-1, -1, 1, 1]), code=1)
    nib.save(image, path)


def zero_affine(path):
    save(path, values(), change=lambda header: header.set_sform(np.diag([0.0, 0, 0, 1]), code=1))
    image = nib.load(path)
    raw = bytearray(gzip.decompress(path.read_bytes()))
    assert image.shape == SHAPE
    raw[280:328] = bytes(48)  # the three rows of the sform
    path.write_bytes(gzip.compress(bytes(raw)))


def with_value(value):
    def write(path):
        array = values()
        array[3, 4, 5] = value
        save(path, array)

    return write


def color(path):
    pixels = np.zeros(SHAPE, dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    save(path, pixels)


def far_away(path):
    affine = np.eye(4)
    affine[0, 3] = 500.0
    save(path, values(), affine)


HOSTILE = {
    "truncated gz": (truncated, "truncated or damaged"),
    "text": (lambda path: path.write_text("not an image\n"), "expected a NIfTI file"),
    "empty": (lambda path: path.write_bytes(b""), "empty file"),
    "missing": (lambda path: None, "found nothing"),
    "4-D": (lambda path: save(path, np.zeros((*SHAPE, 2), np.float32)), "expected three axes"),
    "2-D": (lambda path: save(path, values()[..., 0]), "expected two volumes or two planes"),
    "RGB": (color, "one real number per voxel"),
    "complex": (lambda path: save(path, values().astype(np.complex64)), "one real number per voxel"),
    "NaN": (with_value(np.nan), "set them to a number in the file"),
    "infinite": (with_value(np.inf), "expected finite voxels"),
    "zero affine": (zero_affine, "expected an invertible affine"),
    "forms disagree": (disagreeing, "--header sform or --header qform"),
    "constant": (lambda path: save(path, np.full(SHAPE, 7, np.float32)), "expected several intensities, got 7"),
    "no overlap": (far_away, "--init center lays the centers"),
}


@pytest.fixture
def run(load_script, monkeypatch):
    """Exit code of the command line, in this process."""

    def exit_code(*arguments):
        monkeypatch.setattr(sys, "argv", ["register.py", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            load_script("register").main()
        return stopped.value.code

    return exit_code


@pytest.mark.parametrize("side", ["fixed", "moving"])
@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_image_ends_with_one_clear_line_and_no_result(kind, side, tmp_path, run, capsys):
    write, message = HOSTILE[kind]
    files = {"fixed": tmp_path / "fixed.nii.gz", "moving": tmp_path / "moving.nii.gz"}
    for number, (name, path) in enumerate(files.items()):
        write(path) if name == side else save(path, values(number))
    output = tmp_path / "out"
    arguments = [word for name, path in files.items() for word in (f"--{name}", path)]
    assert run(*arguments, "--output_dir", output) == 1
    error = capsys.readouterr().err
    lines = [line for line in error.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    assert message in lines[0]
    assert "Traceback" not in error
    assert kind == "no overlap" or str(files[side]) in lines[0]
    assert not output.exists()


def good_pair(folder):
    for number, name in enumerate(("fixed", "moving")):
        save(folder / f"{name}.nii.gz", values(number))
    return ["--fixed", folder / "fixed.nii.gz", "--moving", folder / "moving.nii.gz"]


def test_an_output_folder_that_cannot_be_made_is_named(tmp_path, run, capsys):
    (tmp_path / "file").write_text("in the way")
    assert run(*good_pair(tmp_path), "--output_dir", tmp_path / "file" / "out") == 1
    assert str(tmp_path / "file") in capsys.readouterr().err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_an_output_folder_without_permission_is_named(tmp_path, run, capsys):
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o500)
    assert run(*good_pair(tmp_path), "--output_dir", folder / "out") == 1
    assert str(folder) in capsys.readouterr().err


def test_a_full_disk_leaves_no_partial_file(tmp_path):
    """A limit on the size of files stands for the disk: the kernel refuses the same write call."""
    command = [sys.executable, SCRIPT, *good_pair(tmp_path), "--output_dir", tmp_path / "out"]

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (6000, 6000))

    found = subprocess.run(list(map(str, command)), capture_output=True, text=True, preexec_fn=limit)
    assert found.returncode == 1
    assert "error: " in found.stderr
    assert f"File too large: '{tmp_path / 'out'}'" in found.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--init", "centre"], "expected world, center, moments, or a file of a transform, got 'centre'"),
        (["--affine", "similarity"], "rigid, affine, got 'similarity'"),
        (["--refine", "3", "--similarity", "nmi"], "got 'nmi'"),
        (["--bundle", "mcd_pmed"], "did you mean 'mcd_pemd'?"),
        (["--header", "xform"], "expected sform, qform or nothing"),
        (["--refine", "3", "--similarity", "nmi"], "similarity: expected one of mind, mse, "),
        (["--refine"], "refine: expected a whole number, such as --refine 50, got no value"),
        (["--search", "--affine"], "search: expected a whole number, such as --search 2, got no value"),
        (["--refine", "3", "--weight", "abc"], "weight: expected a number, got 'abc'"),
        (["--refine", "3", "--weight"], "weight: expected a number, got no value"),
        (["--refine", "3", "--num_levels", "1.5"], "num_levels: expected a whole number, got 1.5"),
        (["--affine", "--num_threads", "x"], "num_threads: expected a whole number, got 'x'"),
        (["--refine", "many"], "refine: expected a whole number, such as --refine 50, got 'many'"),
        (
            ["--search", "1", "--weight", "1", "--novelocity"],
            "--weight, --velocity: expected --refine beside, got none",
        ),
        (["--refine", "1", "--search_levels", "2"], "--search_levels: expected --search beside, got none"),
        (["--affine", "--spacing_mm", "2"], "--spacing_mm: expected --search or --refine beside, got none"),
    ],
)
def test_a_wrong_option_is_named_with_what_is_possible(arguments, message, tmp_path, run, capsys):
    assert run(*good_pair(tmp_path), "--output_dir", tmp_path / "out", *arguments) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_processes_for_a_single_pair_are_refused(tmp_path, run, capsys, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert run(*good_pair(tmp_path), "--output_dir", tmp_path / "out") == 1
    assert "expected --pairs for 2 processes of torchrun, got a single pair" in capsys.readouterr().err


def test_what_a_bundle_refuses_is_told_by_the_reason(tmp_path, run, capsys):
    arguments = [*good_pair(tmp_path), "--output_dir", tmp_path / "out", "--bundle", "cyclical_self_training_points"]
    assert run(*arguments) == 1
    error = capsys.readouterr().err
    assert f"error: {tmp_path / 'fixed.nii.gz'}: expected a chest CT in HU" in error
    assert "applying transform" not in error


def test_what_a_bundle_refuses_is_listed_with_the_reason(tmp_path, run, capsys):
    files = [path for path in good_pair(tmp_path) if isinstance(path, Path)]
    (tmp_path / "pairs.csv").write_text(f"fixed,moving\n{files[0]},{files[1]}\n")
    arguments = ["--pairs", tmp_path / "pairs.csv", "--output_dir", tmp_path / "out"]
    assert run(*arguments, "--bundle", "cyclical_self_training_points") == 1
    assert f"failed: pair0: {files[0]}: expected a chest CT in HU" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("write", "reason"),
    [
        (lambda path: torch.save(torch.nn.Conv3d(1, 1, 1).state_dict(), path), "Missing key"),
        (lambda path: torch.save([1, 2], path), "dict-like"),
        (lambda path: path.write_text("no weights"), ""),
        (lambda path: path.write_bytes(b""), ""),
        (lambda path: torch.save(torch.nn.Conv3d(1, 1, 1), path), "Weights only load failed"),
    ],
)
def test_weights_of_another_network_are_named(write, reason, tmp_path, run, capsys):
    path = tmp_path / "model.pt"
    write(path)
    arguments = [*good_pair(tmp_path), "--output_dir", tmp_path / "out", "--bundle", "wasserstein_voxelmorph"]
    assert run(*arguments, "--ckpt_path", path) == 1
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert f"ckpt_path: expected weights of wasserstein_voxelmorph's network, got {path}" in line
    assert reason in line


@pytest.mark.parametrize("name", ["gpu", "cuda:99", "meta", "7x"])
def test_a_device_that_cannot_be_used_is_named(name, tmp_path, run, capsys):
    assert run(*good_pair(tmp_path), "--output_dir", tmp_path / "out", "--device", name) == 1
    error = capsys.readouterr().err
    assert "error: device: expected one of cpu" in error
    assert f"got {name!r}\n" in error


def test_the_form_that_is_trusted_decides_where_the_image_lies(tmp_path):
    from common.data.volume import input_image

    disagreeing(tmp_path / "image.nii.gz")
    assert input_image(tmp_path / "image.nii.gz", "sform").affine[0, 0] == 1
    assert input_image(tmp_path / "image.nii.gz", "qform").affine[0, 0] == -1
