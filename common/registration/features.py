"""What a bundle's network sees in images, as search and refinement compare it."""

import torch
from torch import nn

from ..methods.cyclical_self_training.network import ConvexRegistration


class Features(nn.Module):
    """Features of one image at full and half resolution.

    Args:
        network: a bundle's, whose feature extractor is an
            :class:`~common.methods.any_contrast.network.AnyContrastFeatures`.
    """

    def __init__(self, network: ConvexRegistration) -> None:
        super().__init__()
        self.extractor = network.feature_extractor
        self.fine_stride, self.fine_offset = self.extractor.fine_stride, self.extractor.fine_offset
        self.stride, self.offset = self.extractor.stride, self.extractor.offset
        self.matching = {name: getattr(network, name) for name in ("feature_scale", "couplings", "sharpness")}

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Features of images (B, 1, *spatial) in any unit: (B, C, *spatial), (B, C₂, *⌈spatial / 2⌉)."""
        return self.extractor(image)

    def full(self, image: torch.Tensor) -> torch.Tensor:
        """Those at full resolution alone, (B, C, *spatial), of the size of MIND-SSC."""
        return self(image)[0].div_(self.extractor.full_head.scale)
