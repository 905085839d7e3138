"""VoxelMorph-diff: a U-Net from an image pair to a distribution of velocities, and on to a diffeomorphism."""

from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

from ...fields.ddf import integrate, resize
from ...networks.voxelmorph import FLOW_SD, LEAK, conv_block
from ...weights import keep_settings

LOG_VARIANCE_SD = 1e-10  # of the weights of its convolution, and the bias below: the untrained network is almost sure
LOG_VARIANCE_BIAS = -10.0


class VoxelMorphDiff(nn.Module):
    """Displacement field of a pair: `image` (B, 2, X, Y, Z) → `pred` (B, 3, X, Y, Z), a diffeomorphism.

    Convolutions of stride 2 lead down to 1/16 of the resolution, and up again to 1/2. There two heads give mean and
    log-variance of a stationary velocity z. ddf = exp(z) − id, by 7 squarings at half resolution, brought to the full
    one; z is the mean, always. A training step takes :meth:`posterior`, draws its own z, see
    :func:`sample_velocity`, and calls :meth:`displacement`.

    Args:
        num_integration_steps: squarings.

    Example:
        >>> sum(parameter.numel() for parameter in VoxelMorphDiff().parameters())
        266374
        >>> VoxelMorphDiff()(torch.rand(1, 2, 16, 32, 16)).shape
        torch.Size([1, 3, 16, 32, 16])

    Reference:
        Dalca et al., Medical Image Analysis 2019, figure 3, with the channels of the authors' code.
    """

    def __init__(self, num_integration_steps: int = 7) -> None:
        super().__init__()
        if num_integration_steps < 1:
            raise ValueError(f"num_integration_steps: expected at least 1, got {num_integration_steps}")
        self.num_integration_steps = num_integration_steps
        keep_settings(self, num_integration_steps=num_integration_steps)
        self.encoder = nn.ModuleList(conv_block(c, d, 2) for c, d in pairwise([2, 16, 32, 32, 32]))
        self.decoder = nn.ModuleList(conv_block(c, 32) for c in (32, 64, 64))
        self.final = nn.Sequential(conv_block(48, 32), conv_block(32, 16))
        for block in [*self.encoder, *self.decoder, *self.final]:
            nn.init.kaiming_normal_(block[0].weight, a=LEAK)
            nn.init.zeros_(block[0].bias)
        self.multiple = 2 ** len(self.encoder)
        self.mean, self.log_variance = nn.Conv3d(16, 3, 3, padding=1), nn.Conv3d(16, 3, 3, padding=1)
        nn.init.normal_(self.mean.weight, std=FLOW_SD)
        nn.init.zeros_(self.mean.bias)
        nn.init.normal_(self.log_variance.weight, std=LOG_VARIANCE_SD)
        nn.init.constant_(self.log_variance.bias, LOG_VARIANCE_BIAS)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Field of fixed (channel 0) and moving (channel 1).

        Args:
            image: (B, 2, X, Y, Z), intensities in [0, 1], sizes multiples of 16.

        Returns:
            ddf, (B, 3, X, Y, Z), voxels.

        Raises:
            ValueError: where a size is no multiple of 16.
        """
        return self.displacement(self.posterior(image)[0])

    @torch.jit.export
    def posterior(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and log-variance of the velocity, each (B, 3, X/2, Y/2, Z/2), voxels of that grid, float32."""
        for size in image.shape[2:]:
            if size % self.multiple != 0:
                raise ValueError(f"image: expected multiples of {self.multiple} voxels, got {list(image.shape[2:])}")
        features = image
        skips: list[torch.Tensor] = []
        for block in self.encoder:
            features = block(features)
            skips.append(features)
        features = skips.pop()
        for block in self.decoder:
            features = functional.interpolate(block(features), scale_factor=2.0, mode="nearest")
            features = torch.cat([features, skips.pop()], dim=1)
        features = self.final(features)
        return self.mean(features).float(), self.log_variance(features).float()

    @torch.jit.export
    def displacement(self, velocity: torch.Tensor) -> torch.Tensor:
        """Field exp(z) − id at full resolution of a velocity at half of it: (B, 3, X, Y, Z), voxels."""
        size = [2 * length for length in velocity.shape[2:]]
        return resize(integrate(velocity, self.num_integration_steps), size)


def sample_velocity(
    mean: torch.Tensor, log_variance: torch.Tensor, generators: list[torch.Generator] | None = None
) -> torch.Tensor:
    """Draw from the posterior, z = μ + σ ε with ε ~ N(0, 1), differentiable in μ and σ.

    Args:
        mean: μ, (B, 3, *half).
        log_variance: log σ², the same shape.
        generators: one per sample, on the device of the mean.

    Returns:
        (B, 3, *half), voxels.

    Example:
        >>> sample_velocity(torch.ones(1, 3, 2, 2, 2), torch.full((1, 3, 2, 2, 2), -torch.inf)).unique().tolist()
        [1.0]
    """
    draws = generators or [None] * len(mean)
    noise = torch.stack([torch.randn(x.shape, generator=g, device=x.device) for x, g in zip(mean, draws, strict=True)])
    return mean + (log_variance / 2).exp() * noise
