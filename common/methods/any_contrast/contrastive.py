"""Local contrast: features of one place agree, those of places a few voxels away differ."""

import torch
import torch.nn.functional as F

from ...fields.sampling import sample

WIDTH = 0.5  # of the Gaussian around the right place, nodes


def offset_cube(radius: int) -> torch.Tensor:
    """All offsets in {−r, …, r}³, ((2r + 1)³, 3).

    Example:
        >>> offset_cube(1).shape, offset_cube(1).sum().item()
        (torch.Size([27, 3]), 0.0)
    """
    steps = torch.arange(-radius, radius + 1, dtype=torch.float32)
    return torch.cartesian_prod(steps, steps, steps)


def local_contrast(
    features: torch.Tensor,
    places: torch.Tensor,
    partners: torch.Tensor,
    shifts: torch.Tensor,
    temperature: float,
    radius: int = 2,
) -> torch.Tensor:
    """Divergence of softmax_k(−‖f(x) − m(y + s + k)‖² / τ) from a Gaussian of the distances ‖s + k‖, k in a cube.

    y is the partner of x; with random shifts s no offset is right by itself, so the network must tell places within
    a voxel. It is InfoNCE whose negatives lie near, and whose positives count by their nearness.

    Args:
        features: f and m, of the fixed and the moving image, (2, C, *nodes).
        places: x, (N, 3), nodes, int64.
        partners: y, (N, 3), nodes of the moving image.
        shifts: s, (N, 3), nodes, within ±0.5.
        temperature: τ > 0.
        radius: of the cube, nodes.

    Returns:
        A scalar ≥ 0: the mean over places of the divergence from the Gaussian to the softmax.

    Example:
        >>> flat, places = torch.ones(2, 4, 9, 9, 9), torch.full((1, 3), 4)
        >>> sharp = local_contrast(flat, places, places, torch.zeros(1, 3), 0.1, radius=1)
        >>> round(sharp.item(), 2)  # of the even distribution over 27 offsets
        1.3

    Reference:
        van den Oord et al., Representation learning with contrastive predictive coding, 2018. Differs in the graded
        positives and in the negatives, which all lie within the cube.
    """
    offsets = shifts[:, None] + offset_cube(radius).to(shifts)
    x, y, z = places.unbind(1)
    anchors = features[0, :, x, y, z]
    candidates = sample(features[1:], (partners[:, None] + offsets).permute(2, 0, 1)[None, ..., None])[0, ..., 0]
    logits = -(anchors[..., None] - candidates).square().sum(0) / temperature
    target = torch.softmax(-offsets.square().sum(-1) / (2 * WIDTH**2), dim=1)
    return F.kl_div(F.log_softmax(logits, dim=1), target, reduction="batchmean")
