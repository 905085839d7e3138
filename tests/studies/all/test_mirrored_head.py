import re

import nibabel as nib
import numpy as np
import torch


def test_halves_that_mirror_each_other_are_laid_on_each_other(load_script, tmp_path):
    script = load_script("mirrored_head")
    axes = np.meshgrid(*[np.arange(size) for size in (36, 32, 32)], indexing="ij")
    label = np.zeros((36, 32, 32), np.float32)
    for value, center in ((2, 10), (41, 25)):
        label[sum((axis - middle) ** 2 for axis, middle in zip(axes, (center, 16, 16), strict=True)) < 36] = value
    for name, volume in (("vol", 100 * (label > 0) + axes[1]), ("seg", label)):
        nib.save(nib.Nifti1Image(volume.astype(np.float32), np.eye(4)), tmp_path / f"{name}.nii.gz")
    mirrored = script.exchanged(torch.from_numpy(label).flip(0))
    assert torch.equal(mirrored, torch.from_numpy(label))
    assert script.mean_dice(mirrored, torch.from_numpy(label)) * 36 == 2  # of 36 structures, 2 are there
    text = script.mirrored_head(str(tmp_path), 20, num_levels=1, warp_mm=2.0)
    before, after, folds = map(float, re.search(r"([\d.]+) → ([\d.]+), folds ([\d.]+) %", text).groups())
    assert before < after
    assert folds == 0
