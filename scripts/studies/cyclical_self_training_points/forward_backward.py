"""Forward–backward error of a keypoint registration: a quality that needs no landmarks."""

import torch

from common.methods.cyclical_self_training_points.graph_features import nearest_neighbors
from common.methods.cyclical_self_training_points.network import KeypointRegistration
from common.methods.cyclical_self_training_points.spline import ThinPlateSpline


def forward_backward_error_mm(
    network: KeypointRegistration,
    fixed: torch.Tensor,
    moving: torch.Tensor,
    mm_per_unit: torch.Tensor,
    smoothing: float = 1.0,
) -> torch.Tensor:
    """‖s(x) + v(x + s(x))‖ at every fixed point x, s registering fixed to moving points and v the way back.

    v starts from those moving points that the forward registration hits: the nearest to x + u(x), each once. Starting
    from all moving points would ask for partners that most of them do not have, the fixed cloud being the sparser one.
    s and v are thin-plate splines through the displacements of one pass each.

    Args:
        network: whose features and unary scale are used.
        fixed: x, (N, 3).
        moving: (M, 3).
        mm_per_unit: (3,).
        smoothing: λ of the splines.

    Returns:
        (N,), mm; 0 where the two agree.
    """
    with torch.no_grad():
        fixed_features = network.features(fixed, network.num_neighbors_fixed)
        moving_features = network.features(moving, network.num_neighbors_moving)
        forward = network.match(fixed, moving, fixed_features, moving_features)
        hit = nearest_neighbors(fixed + forward, moving, 1)[:, 0].unique()
        backward = network.match(moving[hit], fixed, moving_features[hit], fixed_features)
    smooth = ThinPlateSpline(fixed, forward, smoothing)(fixed)
    returned = ThinPlateSpline(moving[hit], backward, smoothing)(fixed + smooth)
    return ((smooth + returned) * mm_per_unit).norm(dim=1)
