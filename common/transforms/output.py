"""From a network's field to warped images and the files of a registration."""

import os
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform, Transform
from monai.utils import ensure_tuple, ensure_tuple_rep

from ..fields.ddf import warp
from ..world.files import label_type, save_field, save_image
from ..world.grid import Grid, on_grid
from ..world.resample import ddf_to_field_mm, field_mm_to_ddf, warp_moving
from .network_grid import NATIVE_SUFFIX

MINIMUM = "minimum"
LABEL = "label"


class DdfToFixedGridd(Transform):
    """Bring the network's ddf to the fixed image's own grid, in world millimeters.

    Reads the two grids from the images that :class:`~common.transforms.network_grid.ToNetworkGridd` left.

    Args:
        ddf_key: (3, X', Y', Z'), voxels of the network's grid.
        fixed_key: the fixed image on the network's grid; its original lies under ``<fixed_key>_native``.
        field_key: where the field goes: (3, X, Y, Z), RAS mm, a MetaTensor with the affine of its grid.
        native_ddf_key: where the same field goes in voxels of the fixed image's own grid; None leaves it out.

    Raises:
        ValueError: where the ddf has not the shape of the network's grid.

    Example:
        >>> import torch
        >>> from monai.data import MetaTensor
        >>> affine = torch.diag(torch.tensor([2.0, 2.0, 2.0, 1.0]))
        >>> item = {"pred": torch.ones(3, 4, 4, 4)}
        >>> item["fixed"] = MetaTensor(torch.zeros(1, 4, 4, 4), affine=affine)
        >>> item["fixed_native"] = MetaTensor(torch.zeros(1, 8, 8, 8), affine=torch.eye(4))
        >>> DdfToFixedGridd()(item)["field_mm"].mean().item()
        2.0
    """

    def __init__(
        self,
        ddf_key: str = "pred",
        fixed_key: str = "fixed",
        field_key: str = "field_mm",
        native_ddf_key: str | None = None,
    ):
        super().__init__()
        self.ddf_key = ddf_key
        self.fixed_key = fixed_key
        self.field_key = field_key
        self.native_ddf_key = native_ddf_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """The item with the field under ``field_key``, on the device of the native fixed image."""
        item = dict(data)
        native = item[f"{self.fixed_key}{NATIVE_SUFFIX}"]
        network, fixed = Grid.from_image(item[self.fixed_key]), Grid.from_image(native)
        ddf = item[self.ddf_key].detach().to(native.device)
        field_mm = ddf_to_field_mm(ddf, network, fixed)
        item[self.field_key] = on_grid(field_mm, fixed, like=native)
        if self.native_ddf_key is not None:
            item[self.native_ddf_key] = on_grid(field_mm_to_ddf(field_mm, fixed), fixed, like=native)
        return item


class WarpMovingd(MapTransform):
    """Warp moving images, each interpolated once from its own grid onto the grid of the field.

    Args:
        keys: moving images or label maps; the originals are read from ``<key>_native``.
        field_key: field, (3, X, Y, Z), RAS mm, a MetaTensor with the affine of its grid.
        output_keys: where the warped images go, one per key.
        mode: "bilinear" or "nearest" (label maps), one for all keys or one per key.
        background: value outside an image, one for all keys or one per key; "minimum" takes the smallest of the image,
            or 0 where it has none below; None repeats its border voxels.
        allow_missing_keys: pass over keys that an item lacks.

    Raises:
        ValueError: where there are not as many ``output_keys`` as ``keys``; for another word as ``background``.

    Example:
        >>> import torch
        >>> from monai.data import MetaTensor
        >>> moving = MetaTensor(torch.arange(3.0).view(1, 3, 1, 1), affine=torch.eye(4))
        >>> field_mm = MetaTensor(torch.tensor([1.0, 0.0, 0.0]).view(3, 1, 1, 1), affine=torch.eye(4))
        >>> WarpMovingd("moving")({"moving_native": moving, "field_mm": field_mm})["warped"].item()
        1.0
    """

    def __init__(
        self,
        keys: KeysCollection = "moving",
        field_key: str = "field_mm",
        output_keys: KeysCollection = "warped",
        mode: str | Sequence[str] = "bilinear",
        background: float | str | Sequence[float | str | None] | None = 0.0,
        allow_missing_keys: bool = False,
    ):
        super().__init__(keys, allow_missing_keys)
        self.field_key = field_key
        self.native_keys = [f"{key}{NATIVE_SUFFIX}" for key in self.keys]
        self.output_keys = ensure_tuple(output_keys)
        if len(self.output_keys) != len(self.keys):
            raise ValueError(f"expected {len(self.keys)} output_keys, got {self.output_keys}")
        self.modes = ensure_tuple_rep(mode, len(self.keys))
        self.backgrounds = ensure_tuple_rep(background, len(self.keys))
        for value in self.backgrounds:
            if isinstance(value, str) and value != MINIMUM:
                raise ValueError(f"background: expected a number, None or {MINIMUM!r}, got {value!r}")

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """The item with the warped images, on the device of their originals."""
        item = dict(data)
        field_mm = item[self.field_key]
        fixed = Grid.from_image(field_mm)
        for key, output_key, mode, background in zip(
            self.native_keys, self.output_keys, self.modes, self.backgrounds, strict=True
        ):
            if key not in item and self.allow_missing_keys:
                continue
            moving = item[key]
            grid, field = Grid.from_image(moving), field_mm.to(moving.device)
            outside = min(moving.min().item(), 0.0) if background == MINIMUM else background
            warped = warp_moving(moving, grid, field, fixed, mode, outside)
            item[output_key] = on_grid(warped, fixed, like=moving)
        return item


def warp_pair() -> WarpMovingd:
    """The moving image warped linearly, its lowest intensity outside, and its label map by the nearest voxel."""
    keys, outputs = ("moving", "moving_label"), ("warped", "warped_label")
    return WarpMovingd(keys, "field_mm", outputs, ("bilinear", "nearest"), (MINIMUM, 0.0), allow_missing_keys=True)


def save_pair(output_dir: str | os.PathLike) -> "SaveRegistrationd":
    """Writes what :func:`warp_pair` has made, and the field."""
    return SaveRegistrationd(("warped", "warped_label"), output_dir, dtype=("float32", LABEL), allow_missing_keys=True)


class SaveRegistrationd(MapTransform):
    """Write warped images and the field of one pair: ``<key>.nii.gz`` for each key, and ``field.nii.gz``.

    The field is in ITK's form (:func:`common.world.files.save_field`). Every file appears whole or not at all.

    Args:
        keys: images (1, X, Y, Z) on the fixed image's grid, MetaTensors.
        output_dir: folder of the files; created where missing.
        field_key: field, (3, X, Y, Z), RAS mm, a MetaTensor; None writes none.
        name_key: where an item has a string under this key, its files go to the subfolder of that name.
        dtype: NumPy type on disk, one for all keys or one per key; "label" takes the smallest that holds the numbers.
        allow_missing_keys: pass over keys that an item lacks.

    Raises:
        ValueError: where the name leads out of ``output_dir``.

    Example:
        >>> import tempfile, torch
        >>> from monai.data import MetaTensor
        >>> folder, volume = tempfile.mkdtemp(), MetaTensor(torch.zeros(3, 4, 4, 4), affine=torch.eye(4))
        >>> item = SaveRegistrationd("warped", folder)({"warped": volume[:1], "field_mm": volume})
        >>> sorted(os.listdir(folder))
        ['field.nii.gz', 'warped.nii.gz']
    """

    def __init__(
        self,
        keys: KeysCollection,
        output_dir: str | os.PathLike,
        field_key: str | None = "field_mm",
        name_key: str = "name",
        dtype: str | Sequence[str] = "float32",
        allow_missing_keys: bool = False,
    ):
        super().__init__(keys, allow_missing_keys)
        self.output_dir = Path(output_dir)
        self.field_key = field_key
        self.name_key = name_key
        self.dtypes = ensure_tuple_rep(dtype, len(self.keys))

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """The item as it came."""
        folder = self.output_dir / str(data.get(self.name_key, ""))
        if not folder.resolve().is_relative_to(self.output_dir.resolve()):
            raise ValueError(f"expected {self.name_key!r} to name a folder inside {self.output_dir}, got {folder}")
        for key, dtype in self.key_iterator(data, self.dtypes):
            image = data[key]
            written = label_type(int(image.max())) if dtype == LABEL else dtype
            save_image(folder / f"{key}.nii.gz", image, Grid.from_image(image), written)
        if self.field_key is not None:
            field_mm = data[self.field_key]
            save_field(folder / "field.nii.gz", field_mm, Grid.from_image(field_mm))
        return dict(data)


class WarpByDdfd(Transform):
    """Warp the moving image of the network's grid by the network's ddf.

    Args:
        moving_key: (1, *spatial).
        ddf_key: (D, *spatial), voxels.
        warped_key: where the result goes.

    Example:
        >>> item = {"moving": torch.arange(4.0).expand(1, 4, 4), "pred": torch.zeros(2, 4, 4)}
        >>> torch.equal(WarpByDdfd()(item)["warped"], item["moving"])
        True
    """

    def __init__(self, moving_key: str = "moving", ddf_key: str = "pred", warped_key: str = "warped"):
        super().__init__()
        self.moving_key, self.ddf_key, self.warped_key = moving_key, ddf_key, warped_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """The item with the warped image, on the device of the moving one."""
        moving, ddf = (torch.as_tensor(data[key])[None] for key in (self.moving_key, self.ddf_key))
        return {**data, self.warped_key: warp(moving, ddf.to(moving.device))[0]}
