import json
import re

import nibabel as nib
import numpy as np
import pytest

from tests.heads import head_pair


@pytest.mark.slow
def test_the_warp_of_a_head_is_found(load_script, tmp_path):
    for name in ("one", "ms26", "lgg6692"):
        nib.save(nib.Nifti1Image(head_pair()[0].astype(np.uint8), np.eye(4)), tmp_path / f"{name}.nii.gz")
    subjects = [{"subject": name, "T1": f"{name}.nii.gz"} for name in ("one", "ms26", "lgg6692")]
    (tmp_path / "dataset.json").write_text(json.dumps({"description": "heads", "subjects": subjects}))
    text = load_script("known_warp_head").known_warp_head(str(tmp_path), "one", "fast")
    mean_mm, high_mm, folds = map(float, re.search(r"([\d.]+) mm, 95 % ([\d.]+) mm, folds ([\d.]+) %", text).groups())
    assert mean_mm < high_mm < 4  # the warp is 4 mm long
    assert folds == 0
