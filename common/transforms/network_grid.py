"""From images on their own grids to images on the grid of the network."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from monai.config import KeysCollection
from monai.transforms import MapTransform
from monai.utils import ensure_tuple_rep

from ..world.grid import Grid, on_grid
from ..world.network_grid import network_grid
from ..world.resample import resample

NATIVE_SUFFIX = "_native"


class ToNetworkGridd(MapTransform):
    """Put every image on the network's grid by one interpolation from its own grid, and keep the original.

    The network's grid follows from the fixed image alone: :func:`common.world.network_grid.network_grid`. The image
    under key ``k`` moves to ``k_native``. Native images of several pairs differ in shape, so a data loader
    over such items needs batch size 1.

    Args:
        keys: images to bring there, MetaTensors (C, X, Y, Z) with an affine.
        fixed_key: the image whose grid counts; one of ``keys``.
        spacing: mm, RAS axis order, one number or three; None keeps the fixed image's.
        spatial_shape: voxels, RAS axis order, one number or three, −1 keeps an axis; None keeps all.
        divisible_by: every axis is padded to a multiple of it.
        mode: "bilinear" or "nearest" (label maps), one for all keys or one per key.
        background: value outside an image, one for all keys or one per key; None repeats its border voxels.
        allow_missing_keys: pass over keys that an item lacks.

    Raises:
        ValueError: where ``fixed_key`` is not among ``keys``, or an image has no usable affine.

    Example:
        >>> import torch
        >>> from monai.data import MetaTensor
        >>> fixed = MetaTensor(torch.ones(1, 8, 8, 8), affine=torch.eye(4))
        >>> item = ToNetworkGridd(["fixed"], spacing=2.0)({"fixed": fixed})
        >>> tuple(item["fixed"].shape), tuple(item["fixed_native"].shape)
        ((1, 4, 4, 4), (1, 8, 8, 8))
    """

    def __init__(
        self,
        keys: KeysCollection,
        fixed_key: str = "fixed",
        spacing: float | Sequence[float] | None = None,
        spatial_shape: int | Sequence[int] | None = None,
        divisible_by: int | Sequence[int] = 1,
        mode: str | Sequence[str] = "bilinear",
        background: float | Sequence[float | None] | None = 0.0,
        allow_missing_keys: bool = False,
    ):
        super().__init__(keys, allow_missing_keys)
        if fixed_key not in self.keys:
            raise ValueError(f"expected fixed_key to be one of the keys {self.keys}, got {fixed_key!r}")
        self.fixed_key = fixed_key
        self.grid_options = {
            "spacing": spacing,
            "spatial_shape": spatial_shape,
            "divisible_by": divisible_by,
        }
        self.modes = ensure_tuple_rep(mode, len(self.keys))
        self.backgrounds = ensure_tuple_rep(background, len(self.keys))

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Items under ``keys`` on the network's grid, the originals under ``<key>_native``."""
        item = dict(data)
        target = network_grid(Grid.from_image(data[self.fixed_key]), **self.grid_options)
        for key, mode, background in self.key_iterator(item, self.modes, self.backgrounds):
            native = item[key]
            resampled = resample(native, Grid.from_image(native), target, mode, background)
            item[key], item[f"{key}{NATIVE_SUFFIX}"] = on_grid(resampled, target, like=native), native
        return item
