"""VoxelMorph: a U-Net from an image pair to a displacement field."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from monai.networks.layers.factories import Conv
from torch import nn
from torch.nn import functional

from ..fields.ddf import integrate
from ..fields.spline import coarsen_to_spline
from ..weights import keep_settings

LEAK = 0.2  # slope of every LeakyReLU, as in VoxelMorph's code
FLOW_SD = 1e-5  # of the last convolution's weights: the field starts near zero


def conv_block(in_channels: int, out_channels: int, stride: int = 1, spatial_dims: int = 3) -> nn.Sequential:
    """3-wide convolution with padding 1, then LeakyReLU: (B, in_channels, *n) → (B, out_channels, *n / stride)."""
    convolution = Conv[Conv.CONV, spatial_dims](in_channels, out_channels, 3, stride, 1)
    return nn.Sequential(convolution, nn.LeakyReLU(LEAK))


class VoxelMorph(nn.Module):
    """Displacement field of a pair: `image` (B, 2, *spatial) → `pred` (B, D, *spatial).

    Four convolutions of stride 2 lead down to 1/16 of the resolution; on the way up each convolution is followed by
    nearest-neighbor upsampling and the skip connection of that resolution, down to the image itself. Convolutions at
    full resolution end in a linear one whose weights are drawn from N(0, 1e-5²), so an untrained network moves nothing.

    Args:
        encoder_channels: of the convolutions on the way down; spatial sizes must be multiples of 2^len.
        decoder_channels: of those on the way up, as many.
        final_channels: of those at full resolution.
        spatial_dims: D, 2 or 3.
        num_integration_steps: 0, the paper's model, returns the output of the last convolution as the ddf; n > 0
            takes it for a stationary velocity and integrates it by n squarings into a diffeomorphism.
        control_spacing: 1, the paper's model, keeps that output as it is; n > 1 takes only what a cubic B-spline with
            control points n voxels apart can say of it, before any integration.

    Raises:
        ValueError: where encoder and decoder have different lengths.

    Example:
        >>> sum(parameter.numel() for parameter in VoxelMorph().parameters())
        301411
        >>> VoxelMorph()(torch.rand(1, 2, 16, 32, 16)).shape
        torch.Size([1, 3, 16, 32, 16])

    Reference:
        Balakrishnan et al., VoxelMorph, IEEE TMI 2019, figure 3, with the channels of the authors' PyTorch code.
    """

    def __init__(
        self,
        encoder_channels: Sequence[int] = (16, 32, 32, 32),
        decoder_channels: Sequence[int] = (32, 32, 32, 32),
        final_channels: Sequence[int] = (32, 16, 16),
        spatial_dims: int = 3,
        num_integration_steps: int = 0,
        control_spacing: int = 1,
    ):
        super().__init__()
        if len(encoder_channels) != len(decoder_channels):
            raise ValueError(
                f"expected as many decoder_channels as encoder_channels, got {len(decoder_channels)}"
                f" and {len(encoder_channels)}"
            )
        self.num_integration_steps, self.control_spacing = num_integration_steps, control_spacing
        down = [2, *encoder_channels]
        widths = [down[-1], *[up + skip for up, skip in zip(decoder_channels, down[-2::-1], strict=True)]]
        full = [widths[-1], *final_channels]
        self.encoder = nn.ModuleList(conv_block(c, d, 2, spatial_dims) for c, d in pairwise(down))
        self.decoder = nn.ModuleList(
            conv_block(c, d, 1, spatial_dims) for c, d in zip(widths, decoder_channels, strict=False)
        )
        self.final = nn.Sequential(*[conv_block(c, d, 1, spatial_dims) for c, d in pairwise(full)])
        self.flow = Conv[Conv.CONV, spatial_dims](full[-1], spatial_dims, 3, padding=1)
        nn.init.normal_(self.flow.weight, std=FLOW_SD)
        nn.init.zeros_(self.flow.bias)
        keep_settings(self, num_integration_steps=num_integration_steps, control_spacing=control_spacing)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Field of fixed (channel 0) and moving (channel 1).

        Args:
            image: (B, 2, *spatial), sizes multiples of 16 with the default channels.

        Returns:
            ddf, (B, D, *spatial), voxels.
        """
        features = image
        skips: list[torch.Tensor] = []
        for block in self.encoder:
            skips.append(features)
            features = block(features)
        for block in self.decoder:
            features = functional.interpolate(block(features), scale_factor=2.0, mode="nearest")
            features = torch.cat([features, skips.pop()], dim=1)
        ddf = coarsen_to_spline(self.flow(self.final(features)), self.control_spacing)
        return integrate(ddf, self.num_integration_steps) if self.num_integration_steps > 0 else ddf
