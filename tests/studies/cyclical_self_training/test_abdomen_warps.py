"""A small labeled scan under a known warp: rows are scored once, and registering helps."""

import nibabel
import numpy as np
import pytest
import torch

from common.tools.results.record import means, read_rows, rows_of


@pytest.fixture(scope="module")
def study(load_script):
    return load_script("abdomen_warps")


@pytest.fixture
def scan(tmp_path):
    """Soft tissue with smooth texture in air, 48³ voxels of 3 mm, two labels."""
    noise = torch.randn(1, 1, 48, 48, 48, generator=torch.Generator().manual_seed(0))
    texture = torch.nn.functional.avg_pool3d(noise, 7, 1, 3)[0, 0]
    axis = torch.arange(48) - 23.5
    inside = axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2 < 18**2
    ct = torch.where(inside, 50 + 1500 * texture, -1000.0).numpy()
    label = (inside * (1 + (axis > 0))).numpy().astype(np.uint8)
    affine = np.diag([3.0, 3.0, 3.0, 1.0])
    for name, volume in (("ct", ct), ("seg", label)):
        nibabel.save(nibabel.Nifti1Image(volume, affine), tmp_path / f"{name}.nii.gz")
    return [str(tmp_path / f"{name}.nii.gz") for name in ("ct", "seg")]


def test_mind_in_the_solver_raises_the_dice_and_finished_rows_stay(study, scan, tmp_path):
    options = {"seeds": 0, "spatial_shape": (48, 48, 48), "results": str(tmp_path / "rows.json"), "warp_mm": 8.0}
    options |= {"num_adam_iterations": 20, "num_warps": 1}
    table = study.abdomen_warps(*scan, **options)
    rows = read_rows(tmp_path / "rows.json")
    dice = {name: means(rows_of(row["scores"]))["dice"] for name, row in rows.items()}
    assert dice["MIND-SSC"] > dice["before"] + 0.05
    assert study.abdomen_warps(*scan, **options) == table


def test_dice_is_the_mean_over_structures_of_the_fixed_label(study):
    label, fixed = torch.tensor([0, 1, 1, 3]), torch.tensor([1, 1, 1, 2])
    # structure 1: 2 · 2 / (2 + 3); structure 2: 0; structure 3 is not in the fixed label
    assert study.mean_dice(label, fixed) == pytest.approx(0.4)
