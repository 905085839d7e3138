"""Features by which two images of one anatomy are compared, whatever their contrasts."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn

from ...losses.mind import mind_ssc
from ...weights import keep_settings
from .intensity import normalized_intensity

SLOPE = 0.1  # of leaky ReLU below 0
NUM_DESCRIPTORS = 12  # of MIND-SSC
NORM_MOMENTUM = 0.05  # weight of an image in the running statistics


class AnyContrastFeatures(nn.Module):
    """Features of one image at full and at half resolution: (B, 1, *spatial) → (B, 12, *spatial), (B, 12, *halves).

    f(x) = s (g(x) m(x) + r(x)): descriptors m of MIND-SSC, let pass by a gate g in (0, 1) and corrected by r. Gate and
    correction come from a U-Net of 3 × 3 × 3 convolutions, instance norm and leaky ReLU, which sees intensity and
    descriptors; both heads begin with g even and r = 0, so learning starts from MIND-SSC. At half resolution m is a
    mean over 3 × 3 × 3 voxels; its features lie on every second voxel, from the first one on, as do the centers of
    convolutions of stride 2 and padding 1. Squared differences of features serve as dissimilarity.

    Args:
        channels: of the convolutions at full, half, quarter, … resolution; at least two.
        scale: s, by which a contrastive loss tells how far apart features should be.

    Raises:
        ValueError: for fewer than two resolutions.

    Example:
        >>> network = AnyContrastFeatures()
        >>> [list(features.shape) for features in network(torch.rand(1, 1, 17, 24, 16))]
        [[1, 12, 17, 24, 16], [1, 12, 9, 12, 8]]

    Reference:
        Ronneberger et al., U-Net, MICCAI 2015; Heinrich et al., MICCAI 2013, for MIND-SSC. Features learned from
        synthesized images as in Dey et al., Learning general-purpose biomedical volume representations using
        randomized synthesis, ICLR 2025.
    """

    def __init__(self, channels: Sequence[int] = (16, 32, 64, 64), scale: float = 0.3) -> None:
        super().__init__()
        if len(channels) < 2:
            raise ValueError(f"channels: expected those of at least two resolutions, got {list(channels)}")
        levels = range(len(channels) - 1)
        upwards = levels[::-1]
        self.first = block(1 + NUM_DESCRIPTORS, channels[0])
        self.down = nn.ModuleList(
            nn.Sequential(block(channels[k], channels[k + 1], 2), block(channels[k + 1], channels[k + 1]))
            for k in levels
        )
        self.narrow = nn.ModuleList(nn.Conv3d(channels[k + 1], channels[k], 1) for k in upwards)
        self.up = nn.ModuleList(block(2 * channels[k], channels[k]) for k in upwards)
        self.full_head, self.half_head = Correction(channels[0], scale), Correction(channels[1], scale)
        self.fine_stride, self.stride, self.fine_offset, self.offset = 1, 2, 0.0, 0.0
        keep_settings(self, channels=channels, scale=scale)

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Features of images (B, 1, *spatial) in any unit, at full and half resolution."""
        image = normalized_intensity(image)
        descriptors = mind_ssc(image)
        kept = [self.first(torch.cat([image, descriptors], dim=1))]
        for down in self.down:
            kept.append(down(kept[-1]))
        half = values = kept[-1]
        for k, (narrow, up) in enumerate(zip(self.narrow, self.up)):  # noqa: B905 (TorchScript knows no strict=)
            half, finer = values, kept[-2 - k]
            values = up(torch.cat([finer, doubled(narrow(values), list(finer.shape[2:]))], dim=1))
        coarse = F.avg_pool3d(descriptors, 3, stride=2, padding=1, count_include_pad=False)
        return self.full_head(values, descriptors), self.half_head(half, coarse)


class Correction(nn.Module):
    """s (g m + r) of descriptors m, with gate g and correction r linear in other values.

    Args:
        in_channels: of the values.
        scale: s.
    """

    def __init__(self, in_channels: int, scale: float) -> None:
        super().__init__()
        self.linear = nn.Conv3d(in_channels, 1 + NUM_DESCRIPTORS, 1)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)
        self.scale = scale

    def forward(self, values: torch.Tensor, descriptors: torch.Tensor) -> torch.Tensor:
        """(B, in_channels, *nodes) and (B, 12, *nodes) → (B, 12, *nodes)."""
        found = self.linear(values)
        return self.scale * (torch.sigmoid(found[:, :1] + 2.0) * descriptors + found[:, 1:])


def block(in_channels: int, out_channels: int, stride: int = 1) -> nn.Sequential:
    """Convolution with padding 1, norm, leaky ReLU: (B, in_channels, *n) → (B, out_channels, *⌈n / stride⌉).

    The norm takes the statistics of each image while it learns, and in use their running means: it then does not depend
    on how much of an image is background.
    """
    return nn.Sequential(
        nn.Conv3d(in_channels, out_channels, 3, stride, padding=1, bias=False),
        nn.InstanceNorm3d(out_channels, momentum=NORM_MOMENTUM, affine=True, track_running_stats=True),
        nn.LeakyReLU(SLOPE, inplace=True),
    )


def doubled(values: torch.Tensor, shape: list[int]) -> torch.Tensor:
    """Linear interpolation of nodes on every second voxel, from the first one on: (B, C, *⌈n / 2⌉) → (B, C, *n).

    Example:
        >>> doubled(torch.arange(2.0).view(1, 1, 2, 1, 1), [4, 1, 1]).flatten().tolist()
        [0.0, 0.5, 1.0, 1.0]
    """
    nodes = [2 * size - 1 for size in values.shape[2:]]
    between = F.interpolate(values, nodes, mode="trilinear", align_corners=True)
    missing = [size - node for size, node in zip(shape, nodes)]  # noqa: B905 (TorchScript knows no strict=)
    return F.pad(between, [0, missing[2], 0, missing[1], 0, missing[0]], mode="replicate")
