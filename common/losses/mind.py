"""Self-similarity descriptors by which images of different contrast can be compared."""

import torch
import torch.nn.functional as F

from ..fields.sampling import at_least_float32


def mind_ssc(image: torch.Tensor, radius: int = 1, dilation: int = 2) -> torch.Tensor:
    """Modality independent neighborhood descriptor in its self-similarity context, MIND-SSC.

    Channel c stands for a pair (a, b) of neighbors at ±dilation along two different axes and holds
    exp(−(S_c − min S) / V) with S_c(x) = box[(I(x + a) − I(x + b))²] and the local variance
    V = mean_c(S_c − min S), clamped to [0.001, 1000] times its mean over the image. No comparison with x itself
    takes part, so a contrast that is inverted or scaled has the same descriptor.

    Args:
        image: (B, 1, *spatial), two or three spatial axes.
        radius: r of the box of (2r + 1)**D voxels, ≥ 0.
        dilation: distance of the neighbors, voxels, ≥ 1.

    Returns:
        (B, 12, *spatial) in 3-D, (B, 4, *spatial) in 2-D, in (0, 1]; 1 everywhere for a constant image.

    Raises:
        ValueError: where the image has not one channel or not two or three spatial axes.

    Example:
        >>> mind_ssc(torch.rand(1, 1, 8, 8, 8)).shape
        torch.Size([1, 12, 8, 8, 8])

    Reference:
        Heinrich et al., Towards realtime multimodal fusion for image-guided interventions using self-similarities,
        MICCAI 2013. Differs from the paper in the clamp of V and the box instead of a Gaussian, as in convexAdam.
    """
    spatial_dims = image.dim() - 2
    if spatial_dims < 2 or spatial_dims > 3 or image.size(1) != 1:
        raise ValueError(f"expected an image of shape (B, 1, *2 or 3 axes), got {list(image.shape)}")
    image = at_least_float32(image)
    neighbors = _face_neighbors(image, dilation)
    differences: list[torch.Tensor] = []
    for first in range(len(neighbors)):
        for second in range(first + 1, len(neighbors)):
            if first // 2 != second // 2:
                differences.append((neighbors[first] - neighbors[second]).square())
    distance = _box_mean(torch.cat(differences, dim=1), radius)
    distance = distance - distance.min(dim=1, keepdim=True)[0]
    variance = distance.mean(dim=1, keepdim=True)
    scale = variance.flatten(1).mean(dim=1).view([-1] + [1] * (spatial_dims + 1))
    variance = torch.minimum(torch.maximum(variance, 0.001 * scale), 1000.0 * scale)
    # 1e-30 keeps a constant image, whose differences are all 0, at exp(0).
    return torch.exp(-distance / variance.clamp(min=1e-30))


def _face_neighbors(image: torch.Tensor, dilation: int) -> list[torch.Tensor]:
    """Image read at −dilation and +dilation along each axis, in this order; entries 2k and 2k + 1 belong to axis k."""
    padded = F.pad(image, [dilation] * (2 * (image.dim() - 2)), mode="replicate")
    neighbors: list[torch.Tensor] = []
    for axis in range(2, image.dim()):
        for start in (0, 2 * dilation):
            shifted = padded
            for k in range(2, image.dim()):
                shifted = shifted.narrow(k, start if k == axis else dilation, image.size(k))
            neighbors.append(shifted)
    return neighbors


def _box_mean(volume: torch.Tensor, radius: int) -> torch.Tensor:
    if radius == 0:
        return volume
    size = 2 * radius + 1
    if volume.dim() == 4:
        return F.avg_pool2d(F.pad(volume, [radius] * 4, mode="replicate"), size, stride=1)
    return F.avg_pool3d(F.pad(volume, [radius] * 6, mode="replicate"), size, stride=1)
