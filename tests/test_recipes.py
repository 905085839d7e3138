"""Every block of docs/recipes.md runs, in its order, on small files of the names that it uses."""

import json
import re
import shlex
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch

from common.commands.cli import main
from common.registration.landmarks import Landmarks, write_landmarks
from common.world.chain import Chain, LinearMap
from common.world.transform_files import write_transform

PAGE = Path(__file__).parents[1] / "docs" / "recipes.md"
WRITTEN = (
    *("out/report.html", "labels_in_fixed.nii.gz", "points_in_moving.csv", "fixed_in_moving.nii.gz", "total.nii.gz"),
    *("third_in_fixed.nii.gz", "from_known/warped.nii.gz", "0GenericAffine.mat", "flirt.mat", "fnirt.nii.gz"),
    *("jacobian.nii.gz", "frame1/warped.nii.gz", "aligned/series.nii.gz", "template/template_label.nii.gz"),
)


def blocks():
    """Language and text of the page's blocks."""
    return re.findall(r"```(python|bash)\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)


def blob(shift):
    x, y, z = np.meshgrid(*(np.arange(n) - (n - 1) / 2 for n in (22, 20, 18)), indexing="ij")
    u = x - shift
    inside = 1 / (1 + np.exp(8 * ((u / 7) ** 2 + (y / 6) ** 2 + (z / 5) ** 2 - 1)))
    return (100 * inside * (1.3 + 0.4 * np.sin(u) * np.cos(0.8 * y))).astype(np.float32)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The files that the page names."""

    def save(name, array):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        nib.save(nib.Nifti1Image(array, np.diag([2.0, 2.0, 2.0, 1.0])), path)

    save("fixed.nii.gz", blob(0.0))
    for name in ("moving.nii.gz", "third.nii.gz"):
        save(name, blob(1.0))
    save("moving_labels.nii.gz", (blob(1.0) > 50).astype(np.uint8))
    save("series.nii.gz", np.stack([blob(0.0), blob(1.0)], axis=-1))
    for k, shift in enumerate((-1.0, 1.0)):
        save(f"subjects/s{k}.nii.gz", blob(shift))
        save(f"subject_labels/s{k}.nii.gz", (blob(shift) > 50).astype(np.uint8))
    matrix = torch.eye(4, dtype=torch.float64)
    matrix[0, 3] = 2.0
    for name in ("known.tfm", "to_third.tfm"):
        write_transform(tmp_path / name, Chain((LinearMap(matrix),)))
    write_landmarks(tmp_path / "fixed_points.csv", Landmarks(torch.tensor([[20.0, 18.0, 16.0]]), ("a",)))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_recipe_runs(folder):
    pytest.importorskip("SimpleITK")
    for language, text in blocks():
        if language == "python":
            exec(compile(text, str(PAGE), "exec"), {})
            continue
        for line in text.splitlines():
            words = shlex.split(line)
            assert words[0] == "registration"
            main(words[1:])
    assert [name for name in WRITTEN if not (folder / name).is_file()] == []


def test_the_notebook_runs_from_sample_data_to_a_report(tmp_path, monkeypatch):
    pytest.importorskip("nilearn")
    monkeypatch.chdir(tmp_path)
    notebook = json.loads((PAGE.parent / "notebooks" / "first_registration.ipynb").read_text(encoding="utf-8"))
    space = {}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), "notebook", "exec"), space)
    assert (tmp_path / "out" / "report.html").is_file()
    assert space["registration"].contrast.similarity == "mind"
    assert space["warped"].shape == space["registration"].fixed.shape


def test_there_are_ten_recipes():
    assert [int(number) for number in re.findall(r"^## (\d+)\.", PAGE.read_text(encoding="utf-8"), flags=re.M)] == [
        *range(1, 11)
    ]
