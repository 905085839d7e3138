"""Known warps of one labeled scan: errors fall, structures are scored on the common grid, whatever grid is searched."""

import nibabel
import numpy as np
import pytest
import torch
from monai.transforms import GaussianSmooth

from common.tools.results.record import means as mean_scores
from common.tools.results.record import read_rows, rows_of


@pytest.fixture(scope="module")
def study(load_script):
    return load_script("known_warps")


@pytest.fixture
def scan(tmp_path):
    """A ball of smooth texture in two halves, 64³ voxels of 1 mm."""
    folder = tmp_path / "scan"
    folder.mkdir()
    texture = torch.as_tensor(
        GaussianSmooth(2.0)(torch.rand(1, 64, 64, 64, generator=torch.Generator().manual_seed(0)))
    )
    axis = torch.arange(64) - 31.5
    inside = axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2 < 26**2
    image = (100 * (texture[0] - texture.min() + 0.1) * inside).numpy()
    label = (inside * (1 + (axis > 0))).numpy().astype(np.uint8)
    nibabel.save(nibabel.Nifti1Image(image, np.eye(4)), folder / "vol.nii.gz")
    nibabel.save(nibabel.Nifti1Image(label, np.eye(4)), folder / "seg.nii.gz")
    return str(folder)


def means(study, scan, tmp_path, **options):
    settings = {"contrasts": ("T1", "T1"), "num_warps": 1, "spacing_mm": 1.0, "spatial_shape": (64, 64, 64)}
    study.known_warps(scan, **settings, results_dir=str(tmp_path), **options)
    return mean_scores(rows_of(read_rows(tmp_path / "known_warps.json")[options["method"]]["scores"]))


@pytest.mark.parametrize("shrink", [1, 2])
def test_a_search_brings_both_halves_back(study, scan, tmp_path, shrink):
    before = means(study, scan, tmp_path, method="initial")
    search = {"ckpt_path": "none", "num_refinement_steps": 15, "refinement_weight": 0.01}
    after = means(study, scan, tmp_path, method="search", shrink=shrink, **search)
    assert before["initial_error_mm"] == pytest.approx(before["error_mm"])
    assert after["error_mm"] < 0.6 * before["error_mm"]
    assert after["dice"] > before["dice"]
    assert {"dice_1", "dice_2"} <= set(after)


def test_a_second_call_keeps_finished_pairs_but_never_those_of_other_settings(study, scan, tmp_path, monkeypatch):
    first = means(study, scan, tmp_path, method="initial")
    monkeypatch.setattr(study, "_method", lambda *arguments: pytest.fail)
    assert means(study, scan, tmp_path, method="initial") == first
    with pytest.raises(ValueError, match=r"expected a result of the same settings, got warp_mm 4\.0, now 2\.0"):
        means(study, scan, tmp_path, method="initial", warp_mm=2.0)
