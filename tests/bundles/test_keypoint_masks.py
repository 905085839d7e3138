"""A generated pair of chests with lung masks, from CT files to the warped file."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.bundle import ConfigWorkflow

from common.data.sample.chest import APEX_MM, BREATH, write_sample_chest
from common.world.files import load_field

BUNDLE = Path(__file__).parents[2] / "bundles" / "cyclical_self_training_points"


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    folder = tmp_path_factory.mktemp("chest")
    paths = write_sample_chest(folder)
    workflow = ConfigWorkflow(
        str(BUNDLE / "configs" / "inference.json"),
        workflow_type="infer",
        logging_file=False,
        bundle_root=str(BUNDLE),
        output_dir=str(folder),
        **paths,
    )
    workflow.initialize()
    workflow.run()
    return paths | {name: str(folder / f"{name}.nii.gz") for name in ("warped", "field")}


def test_the_field_brings_the_inhaled_lungs_back(paths):
    field_mm, grid = load_field(paths["field"])
    mask = torch.as_tensor(nib.load(paths["fixed_mask"]).get_fdata()) > 0
    coordinates = torch.stack(torch.meshgrid(*[torch.arange(n) for n in grid.spatial_shape], indexing="ij")).double()
    height = (grid.affine[2, :3].double() @ coordinates.flatten(1) + grid.affine[2, 3]).view(mask.shape)
    truth = torch.zeros(3, int(mask.sum()), dtype=torch.float64)
    truth[2] = BREATH * (height[mask] - APEX_MM)
    before, after = truth.norm(dim=0).mean(), (field_mm.double()[:, mask] - truth).norm(dim=0).mean()
    print(f"{before:.2f} mm before, {after:.2f} mm after")
    assert after < 0.2 * before


def test_the_warped_lungs_are_closer_to_the_fixed_ones(paths):
    fixed, moving, warped = (nib.load(paths[name]).get_fdata() for name in ("fixed", "moving", "warped"))
    lungs = nib.load(paths["fixed_mask"]).get_fdata() > 0
    assert np.abs(warped - fixed)[lungs].mean() < 0.5 * np.abs(moving - fixed)[lungs].mean()
