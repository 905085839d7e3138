import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from common.tools.comparison.region_pair import RegionPair
from tests.tools.comparison.blobs import blob


@pytest.fixture
def blob_pair():
    """Two blobs, the moving one 2 voxels farther along the first axis, in another world frame."""
    volumes = [torch.from_numpy(x.astype(np.float32))[None] for name in "ab" for x in blob(name)]
    affines = [torch.eye(4, dtype=torch.float64) for _ in range(2)]
    affines[1][:3, 3] = torch.tensor([30.0, -9.0, 4.0])
    fixed, fixed_label, moving, moving_label = (
        MetaTensor(volume, affine=affines[number // 2]) for number, volume in enumerate(volumes)
    )
    return RegionPair(fixed, moving, fixed_label, moving_label, pad_mm=40)
