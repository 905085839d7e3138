"""Two planes: shifted, turned and bent discs find each other, whatever their distance and axes."""

import json
import sys

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from common.registration.plane import within_plane
from common.registration.registrar import register
from common.world.files import save_affine
from common.world.transform_files import read_transform

SHIFT = 3.0


def disc(shift, size=(48, 44)):
    """A textured disc whose middle lies ``shift`` mm off along the first axis; pixels of 1 mm."""
    x, y = np.meshgrid(*(np.arange(n) - (n - 1) / 2 for n in size), indexing="ij")
    u = x - shift
    inside = 1 / (1 + np.exp(10 * ((u / 15) ** 2 + (y / 13) ** 2 - 1)))
    return (inside * (1.2 + 0.4 * np.sin(0.6 * u) * np.cos(0.5 * y))).astype(np.float32)


@pytest.fixture(scope="module", params=["flat", "one slice", "tilted"])
def files(request, tmp_path_factory):
    """A pair of planes as (X, Y), as (X, Y, 1), and tilted, with the moving one 20 mm behind the fixed one."""
    folder = tmp_path_factory.mktemp("planes")
    affine = np.eye(4)
    if request.param == "tilted":
        angle = 0.5
        affine[:3, :3] = [[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]]
    behind = affine.copy()
    behind[:3, 3] = 20 * affine[:3, 2]
    for name, shift, place in (("fixed", 0.0, affine), ("moving", SHIFT, behind)):
        array = disc(shift) if request.param == "flat" else disc(shift)[..., None]
        nib.save(nib.Nifti1Image(array, place), folder / f"{name}.nii.gz")
    return [str(folder / f"{name}.nii.gz") for name in ("fixed", "moving")], affine


def test_planes_meet_and_nothing_leaves_the_plane(files, tmp_path):
    paths, affine = files
    registration = register(*paths)
    assert registration.field.shape == (3, 48, 44, 1)
    displacement = torch.linalg.inv(torch.from_numpy(affine[:3, :3]).float()) @ registration.field[
        :, 14:34, 14:30
    ].reshape(3, -1)
    assert (displacement[0] - SHIFT).abs().mean() < 0.3
    assert displacement[1].abs().mean() < 0.3
    torch.testing.assert_close(displacement[2], torch.full_like(displacement[2], 20.0), atol=1e-3, rtol=0)
    metrics = registration.save(tmp_path / "out", inverse=True)
    assert metrics["similarity"]["after"]["correlation"] > 0.97 > metrics["similarity"]["before"]["correlation"]
    assert metrics["regularity"]["folding_fraction"] == 0
    assert (tmp_path / "out" / "report.html").stat().st_size > 10_000
    points = torch.from_numpy(np.array([[20.0, 20.0, 0.0, 1.0]]) @ affine.T)[:, :3]
    moved = read_transform(tmp_path / "out").move_points(points)
    torch.testing.assert_close(registration.move_points_back(moved), points, atol=0.05, rtol=0)


def test_labels_and_landmarks_of_planes_are_scored_by_the_command(tmp_path, load_script, monkeypatch):
    row = {"name": "discs"}
    for name, shift in (("fixed", 0.0), ("moving", SHIFT)):
        image = disc(shift)[..., None]
        for key, array in ((name, image), (f"{name}_label", (image > 0.6).astype(np.uint8))):
            row[key] = f"{key}.nii.gz"
            nib.save(nib.Nifti1Image(array, np.eye(4)), tmp_path / row[key])
        row[f"{name}_points"] = f"{name}.csv"
        (tmp_path / f"{name}.csv").write_text(f"label,x,y,z\na,{20 + shift},20,0\nb,{26 + shift},24,0\n")
    (tmp_path / "pairs.json").write_text(json.dumps([row]))
    words = ["--pairs", tmp_path / "pairs.json", "--output_dir", tmp_path / "out", "--affine", "rigid"]
    monkeypatch.setattr(sys, "argv", ["register.py", *map(str, words)])
    load_script("register").main()
    metrics = json.loads((tmp_path / "out" / "discs" / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["landmarks"]["before"]["mean_mm"] == pytest.approx(SHIFT)
    assert metrics["landmarks"]["after"]["mean_mm"] < 0.5
    assert metrics["overlap"]["after"]["dice"] > 0.95 > metrics["overlap"]["before"]["dice"]
    assert (tmp_path / "out" / "index.html").exists()
    assert (tmp_path / "out" / "discs" / "report.html").exists()


@pytest.mark.parametrize("name", ["known/affine.tfm", "known"])
def test_planes_begin_with_a_transform_that_is_known(files, name, tmp_path):
    paths, _ = files
    known = register(*paths, effort="none", refine=20)
    known.save(tmp_path / "known", report=False)
    if name.endswith(".tfm"):
        affine = torch.eye(4, dtype=torch.float64)
        affine[:3, 3] = known.field[:, 24, 22, 0]
        save_affine(tmp_path / name, affine)
    again = register(*paths, init=str(tmp_path / name), effort="none")
    torch.testing.assert_close(again.field[:, 24, 22, 0], known.field[:, 24, 22, 0], atol=1e-3, rtol=0)
    if not name.endswith(".tfm"):
        torch.testing.assert_close(again.field, known.field, atol=1e-3, rtol=0)


def test_a_plane_and_a_volume_and_planes_at_an_angle_are_refused():
    plane = MetaTensor(torch.from_numpy(disc(0.0))[None, ..., None], affine=torch.eye(4))
    volume = MetaTensor(torch.rand(1, 48, 44, 6), affine=torch.eye(4))
    with pytest.raises(
        ValueError, match=r"fixed and moving: expected two volumes or two planes, got the shapes \(48, 44, 1\)"
    ):
        register(plane, volume)
    standing = MetaTensor(plane.as_tensor().movedim(3, 1), affine=torch.eye(4))
    with pytest.raises(ValueError, match=r"expected parallel planes, got an angle with the cosine 0.000"):
        register(plane, standing)


def test_what_a_matrix_does_across_a_plane_is_left_out():
    plane = MetaTensor(torch.rand(1, 5, 5, 1), affine=torch.eye(4))
    matrix = torch.eye(4, dtype=torch.float64)
    matrix[0, 1], matrix[2, 0], matrix[2, 3], matrix[0, 2] = 0.1, 0.3, 7.0, 0.2
    found = within_plane(matrix, plane, plane)
    expected = torch.eye(4, dtype=torch.float64)
    expected[0, 1] = 0.1
    torch.testing.assert_close(found, expected)
