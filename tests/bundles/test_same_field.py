"""`registering` and `register.py` give one field, and both warp a label of the moving image."""

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.bundle import ConfigWorkflow

from common.registration.registrar import Registrar
from tests.bundles.conftest import BUNDLES

SMALL = {"num_refinement_steps": 3}


def write(path, seed, binary=False):
    noise = torch.rand(1, 1, 8, 8, 8, generator=torch.Generator().manual_seed(seed))
    volume = torch.nn.functional.interpolate(noise, size=(36, 44, 32), mode="trilinear", align_corners=True)[0, 0]
    volume = (volume > 0.5).float() if binary else 100 * volume
    nib.save(nib.Nifti1Image(volume.numpy(), np.eye(4)), path)
    return str(path)


@pytest.mark.parametrize("bundle", ["wasserstein_voxelmorph", "mine_voxelmorph"])
def test_registering_gives_the_field_of_register_py(bundle, tmp_path):
    pair = {"fixed": write(tmp_path / "fixed.nii.gz", 0), "moving": write(tmp_path / "moving.nii.gz", 1)}
    label = write(tmp_path / "label.nii.gz", 1, binary=True)
    config = str(BUNDLES / bundle / "configs" / "inference.json")
    places = {"bundle_root": str(BUNDLES / bundle), "output_dir": str(tmp_path / "out"), "moving_label": label}
    workflow = ConfigWorkflow(config, workflow_type="infer", logging_file=False, **places, **pair, **SMALL)
    workflow.initialize()
    workflow.run()
    Registrar(bundle, device="cpu", bundle_options=SMALL)(*pair.values()).save(tmp_path / "own", report=False)
    fields = [nib.load(tmp_path / name / "field.nii.gz").get_fdata() for name in ("out", "own")]
    assert np.abs(fields[0]).max() > 0.01
    assert np.array_equal(*fields)
    warped = nib.load(tmp_path / "out" / "warped_label.nii.gz").get_fdata()
    assert set(np.unique(warped)) == {0, 1}
