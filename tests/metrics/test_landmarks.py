import pytest
import torch

from common.metrics.landmarks import landmark_distance_mm


def test_clouds_of_other_sizes_are_refused():
    with pytest.raises(ValueError, match=r"expected two tensors \(N, 3\)"):
        landmark_distance_mm(torch.zeros(2, 3), torch.zeros(3, 3))
