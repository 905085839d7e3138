"""Picture of a head that a displacement classifier registers, for the validations of a training."""

from collections.abc import Mapping, Sequence

import torch
from ignite.engine import Engine
from monai.networks.utils import eval_mode
from monai.utils import convert_to_tensor

from ...fields.ddf import warp
from ...training.figures import registration_figure
from .domains import Domains
from .inferer import PatchDisplacementInferer

STRIDE_VOXELS = {2: (10, 10, 2), 3: (38, 38, 38)}  # of the control points: a picture for each validation must be quick
SLAB = 3  # slices about the middle one that 2-D patches need


class HeadFigure:
    """Registers the source contrast of the first subject with its target contrast, moved by some voxels.

    The right field is a constant, −``shift_voxels`` along the first axis, so that the picture shows what is wrong. See
    :func:`~common.training.figures.registration_figure`; with 2-D patches it is the middle axial slice.

    Args:
        subjects: volumes, see :func:`~.domains.contrast_volumes`; the first one is shown.
        domains: fixed is the source contrast, moving the target contrast.
        network: a :class:`~.classifier.DisplacementClassifier`.
        spatial_dims: of its patches, 2 or 3.
        shift_voxels: by which the moving image is moved.
    """

    def __init__(
        self,
        subjects: Sequence[Mapping],
        domains: Domains,
        network: torch.nn.Module,
        spatial_dims: int = 2,
        shift_voxels: float = 19.0,
    ) -> None:
        self.subjects, self.domains, self.network = subjects, domains, network
        self.spatial_dims, self.shift_voxels = spatial_dims, shift_voxels
        normalizations = domains.source_normalization, domains.target_normalization
        self.inferer = PatchDisplacementInferer(*normalizations, spatial_dims, STRIDE_VOXELS[spatial_dims])

    def __call__(self, engine: Engine) -> torch.Tensor:
        """Picture (3, H, W)."""
        names = self.domains.source, self.domains.target
        fixed, moving = (self._volume(name) for name in names)
        shift = torch.zeros(1, 3, *moving.shape[1:])
        shift[:, 0] = self.shift_voxels
        moving = warp(moving[None], shift, padding_mode="zeros")[0]
        parameter = next(self.network.parameters(), torch.zeros(0))
        with eval_mode(self.network), torch.no_grad():
            ddf = self.inferer(torch.cat([fixed, moving])[None].to(parameter.device), self.network).cpu()
        warped = warp(moving[None], ddf, padding_mode="zeros")[0]
        shown = (fixed, moving, warped, ddf[0])
        return registration_figure(*(map(_middle, shown) if self.spatial_dims == 2 else shown))

    def _volume(self, name: str) -> torch.Tensor:
        volume = convert_to_tensor(self.subjects[0][name], track_meta=False).float()
        if self.spatial_dims == 3:
            return volume
        first = (volume.shape[-1] - SLAB) // 2
        return volume[..., first : first + SLAB]


def _middle(volume: torch.Tensor) -> torch.Tensor:
    """The middle axial slice of images (1, X, Y, Z), and the first two components of a field (3, X, Y, Z)."""
    return volume[:2, :, :, SLAB // 2]
