"""Twin network that classifies the displacement between two patches (Heinrich & Hansen, MIDL 2020)."""

import torch
from monai.networks.layers.factories import Conv, Norm
from torch import nn

from ...weights import keep_settings

NUM_OFFSETS = 5  # displacements per axis
NUM_FEATURES = 16
HEAD_WIDTH = 64


def _block(spatial_dims: int, in_channels: int, out_channels: int, stride: int, padding: int) -> list[nn.Module]:
    """One "Conv, InstanceNorm, PReLU" block with 3-wide kernels."""
    return [
        Conv[Conv.CONV, spatial_dims](in_channels, out_channels, 3, stride, padding),
        Norm[Norm.INSTANCE, spatial_dims](out_channels),
        nn.PReLU(),
    ]


def patch_feature_extractor(spatial_dims: int = 2) -> nn.Sequential:
    """Feature network G: (B, 1, 39, 39) → (B, 16, 18, 18) with 13,052 weights in 2-D.

    The paper gives four blocks, "13k weights" and an 18 × 18 map with 16 channels (section 2); widths 32, 24, 16, 16
    and the position of the stride are our reading of it, one of many that fit.
    """
    return nn.Sequential(
        *_block(spatial_dims, 1, 32, stride=1, padding=0),
        *_block(spatial_dims, 32, 24, stride=2, padding=0),
        *_block(spatial_dims, 24, 16, stride=1, padding=1),
        *_block(spatial_dims, 16, NUM_FEATURES, stride=1, padding=1),
    )


def displacement_head(spatial_dims: int = 2) -> nn.Sequential:
    """Classifier C: (B, 32, 18, 18) → (B, 25) logits with 69,851 weights in 2-D; 5³ = 125 logits in 3-D.

    Three blocks (section 2), 18 → 8 → 3 → 1; the last has neither norm nor activation, since its map is one pixel.
    """
    return nn.Sequential(
        *_block(spatial_dims, 2 * NUM_FEATURES, HEAD_WIDTH, stride=2, padding=0),
        *_block(spatial_dims, HEAD_WIDTH, HEAD_WIDTH, stride=2, padding=0),
        Conv[Conv.CONV, spatial_dims](HEAD_WIDTH, NUM_OFFSETS**spatial_dims, 3),
        nn.Flatten(),
    )


class DisplacementClassifier(nn.Module):
    """Logits over the 5 × 5 displacements of the moving patch, C(G(fixed) ⊕ G(moving)), of two heads C₁ and C₂.

    Class 5·i + j stands for the offset (o_i, o_j), o = (−38, −19, 0, 19, 38) voxels in tensor-axis order: the moving
    patch shows what lies at that offset from the content of the fixed one, so u = −(o_i, o_j) registers the pair.

    Args:
        spatial_dims: 2 for the paper's 25 classes, 3 for 125 classes.
        num_test_heads: whose logits `forward` gives: 2, the mean of C₁ and C₂; 1, C₁ alone. The paper does not say.

    Raises:
        ValueError: for another number of heads.

    Example:
        >>> DisplacementClassifier()(torch.zeros(1, 2, 39, 39)).shape
        torch.Size([1, 25])

    Reference:
        Heinrich & Hansen, "Unsupervised learning of multimodal image registration using domain adaptation with
        projected Earth Mover's discrepancies", MIDL 2020, section 2.
    """

    def __init__(self, spatial_dims: int = 2, num_test_heads: int = 2) -> None:
        super().__init__()
        if num_test_heads not in (1, 2):
            raise ValueError(f"num_test_heads: expected 1 or 2, got {num_test_heads}")
        self.num_test_heads = num_test_heads
        self.feature_extractor = patch_feature_extractor(spatial_dims)
        self.head = displacement_head(spatial_dims)
        self.second_head = displacement_head(spatial_dims)
        keep_settings(self, num_test_heads=num_test_heads)

    @torch.jit.export
    def features(self, image: torch.Tensor) -> torch.Tensor:
        """Twin features: (B, 2, *39) → (B, 32, *18), those of the fixed patch first."""
        fixed, moving = image[:, :1], image[:, 1:]
        twins = self.feature_extractor(torch.cat([fixed, moving]))
        return torch.cat([twins[: image.shape[0]], twins[image.shape[0] :]], dim=1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Classify patch pairs: (B, 2, *39) → logits (B, 5**spatial_dims)."""
        features = self.features(image)
        logits = self.head(features)
        return logits if self.num_test_heads == 1 else (logits + self.second_head(features)) / 2
