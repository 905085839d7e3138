"""Feature extractors of the coupled convex registration: a learned one and a hand-crafted one."""

from collections.abc import Sequence
from math import prod

import torch
from torch import nn
from torch.nn import functional

from ...losses.mind import mind_ssc
from ...weights import keep_settings


def normalized_block(in_channels: int, out_channels: int, stride: int) -> nn.Sequential:
    """3 × 3 × 3 convolution with padding 1, batch norm, ReLU: (B, in_channels, *n) → (B, out_channels, *n / stride)."""
    convolution = nn.Conv3d(in_channels, out_channels, 3, stride, padding=1)
    return nn.Sequential(convolution, nn.BatchNorm3d(out_channels), nn.ReLU())


class FeatureNetwork(nn.Module):
    """Features of one image at two resolutions: (B, 1, *spatial) → fine (B, 64, …), coarse (B, 16, …).

    Five convolutions with batch norm and ReLU, then a linear 1 × 1 × 1 one. The coarse features are matched by the
    coupled convex solver, the output of the second block serves the instance optimization. Both lie on lattices of
    offset 0 (:mod:`~common.fields.lattice`): convolutions of stride 2 and padding 1 are centered on even voxels.

    Args:
        channels: of the five convolutions.
        strides: of the five convolutions; their product is the coarse stride, that of the first two the fine one.
        num_features: channels of the coarse features.

    Raises:
        ValueError: where there are not as many strides as channels.

    Example:
        >>> network = FeatureNetwork()
        >>> sum(parameter.numel() for parameter in network.parameters())
        1165584
        >>> [list(features.shape) for features in network(torch.rand(1, 1, 16, 24, 16))]
        [[1, 64, 8, 12, 8], [1, 16, 2, 3, 2]]

    Reference:
        Bigalke et al., MICCAI 2023, section 2.3.1, with kernels, channels and strides of the authors' code.
    """

    def __init__(
        self,
        channels: Sequence[int] = (32, 64, 128, 128, 128),
        strides: Sequence[int] = (2, 1, 2, 1, 2),
        num_features: int = 16,
    ):
        super().__init__()
        if len(channels) != len(strides) or len(channels) < 3:
            raise ValueError(f"expected as many strides as channels, at least 3, got {strides} and {channels}")
        widths = [1, *channels]
        blocks = [normalized_block(widths[k], widths[k + 1], strides[k]) for k in range(len(channels))]
        self.first = nn.Sequential(*blocks[:2])
        self.second = nn.Sequential(*blocks[2:], nn.Conv3d(channels[-1], num_features, 1))
        self.fine_stride, self.stride = prod(strides[:2]), prod(strides)
        self.fine_offset, self.offset = 0.0, 0.0
        keep_settings(self, strides=strides)

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Fine and coarse features of images (B, 1, *spatial)."""
        fine = self.first(image)
        return fine, self.second(fine)


class MindFeatures(nn.Module):
    """MIND-SSC at the two resolutions, averaged over blocks: the same solver without learning.

    Args:
        stride: coarse stride, voxels.
        fine_stride: of the features for the instance optimization.
        radius: of :func:`~common.losses.mind.mind_ssc`.
        dilation: of :func:`~common.losses.mind.mind_ssc`.

    Example:
        >>> [list(features.shape) for features in MindFeatures(4)(torch.rand(1, 1, 16, 24, 16))]
        [[1, 12, 8, 12, 8], [1, 12, 4, 6, 4]]
    """

    def __init__(self, stride: int = 8, fine_stride: int = 2, radius: int = 1, dilation: int = 2):
        super().__init__()
        self.radius, self.dilation = radius, dilation
        self.fine_stride, self.stride = fine_stride, stride
        self.fine_offset, self.offset = (fine_stride - 1) / 2, (stride - 1) / 2

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Fine and coarse descriptors of images (B, 1, *spatial)."""
        mind = mind_ssc(image, self.radius, self.dilation)
        return functional.avg_pool3d(mind, self.fine_stride), functional.avg_pool3d(mind, self.stride)
