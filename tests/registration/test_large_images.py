"""The largest images that are promised: 512 × 512 × 600 voxels within 12 GiB."""

import json
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "register.py"
SHAPE = (512, 512, 600)
SPACING_MM = 0.7
LIMIT_GIB = 12.0


def write_ct(path, shift_mm):
    """An elliptic body with bones, organs and air around it, some millimeters away, int16."""
    axes = [(np.arange(n, dtype=np.float32) - n / 2) * SPACING_MM - shift_mm * (k == 0) for k, n in enumerate(SHAPE)]
    volume = np.full(SHAPE, -1000, dtype=np.int16)
    plane = (axes[0][:, None] / 150) ** 2 + (axes[1][None] / 110) ** 2
    waves = 40 * np.sin(axes[0][:, None] / 17) * np.cos(axes[1][None] / 13)
    for k, z in enumerate(axes[2]):
        body = np.where(plane < 1 - 0.2 * (z / 210) ** 2, 40 + waves * np.cos(z / 19), -1000)
        spine = axes[0][:, None] ** 2 + (axes[1][None] - 60) ** 2 < 400 + 150 * np.sin(z / 6)
        volume[:, :, k] = np.where(spine, 700, body)
    affine = np.diag([-SPACING_MM, -SPACING_MM, SPACING_MM, 1.0])
    nib.save(nib.Nifti1Image(volume, affine), path)
    return str(path)


@pytest.mark.slow
def test_a_ct_pair_of_512_512_600_voxels_registers_within_12_gib(tmp_path):
    files = [write_ct(tmp_path / f"{name}.nii", shift) for name, shift in (("fixed", 0.0), ("moving", 9.0))]
    command = [sys.executable, SCRIPT, "--fixed", files[0], "--moving", files[1], "--output_dir", tmp_path / "out"]
    subprocess.run([*map(str, command), "--affine", "--refine", "3"], check=True)
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text(encoding="utf-8"))
    print(f"peak {metrics['peak_memory_gib']:.2f} GiB, {metrics['seconds']:.0f} s")
    assert metrics["peak_memory_gib"] < LIMIT_GIB
    assert metrics["similarity"]["after"]["correlation"] > metrics["similarity"]["before"]["correlation"]
    assert nib.load(tmp_path / "out" / "field.nii.gz").shape == (*SHAPE, 1, 3)
    assert (tmp_path / "out" / "report.html").stat().st_size < 5_000_000
