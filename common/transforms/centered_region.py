"""Images of a small region in a common box: the network's grid about the center of an image."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform, Transform
from monai.utils import ensure_tuple_rep

from ..fields.sampling import identity_grid
from ..words import one_of
from ..world.grid import Grid, apply_affine, image_name, on_grid
from ..world.network_grid import network_grid
from ..world.resample import resample, resample_smoothly
from .intensity import z_score
from .network_grid import NATIVE_SUFFIX

ALIGNMENT_KEY = "alignment"
ALIGNMENTS = ("center", "world")


def padded_grid(image: MetaTensor, pad_mm: int) -> Grid:
    """Cube of 1 mm voxels in RAS order around an image, centered by whole voxels.

    Args:
        image: (1, X, Y, Z) with its affine.
        pad_mm: edge of the cube.

    Returns:
        The grid, ``pad_mm`` voxels along each axis.

    Raises:
        ValueError: where the image is larger than the cube; names its file.

    Example:
        >>> padded_grid(MetaTensor(torch.zeros(1, 5, 6, 7), affine=torch.eye(4)), 8).affine[:3, 3].tolist()
        [-2.0, -1.0, -1.0]
    """
    own = network_grid(Grid.from_image(image), spacing=1.0)
    if max(own.spatial_shape) > pad_mm:
        raise ValueError(
            f"{image_name(image)}: expected at most pad_mm = {pad_mm} mm per axis, got {own.spatial_shape}"
        )
    return network_grid(own, spatial_shape=pad_mm)


def region_grid(padded: Grid, box_mm: Sequence[int], spatial_shape: Sequence[int]) -> Grid:
    """Box in the middle of a padded grid, divided into another number of voxels.

    Args:
        padded: from :func:`padded_grid`.
        box_mm: edges of the box.
        spatial_shape: voxels along them.

    Returns:
        The grid; outer faces of its voxels are the faces of the box.

    Example:
        >>> region_grid(Grid((64, 64, 64), torch.eye(4)), (44, 60, 46), (48, 48, 48)).spacing
        (0.9166..., 1.25, 0.9583...)
    """
    box = network_grid(padded, spatial_shape=box_mm)
    return network_grid(box, spacing=[size / count for size, count in zip(box_mm, spatial_shape, strict=True)])


def contour_grid(label: MetaTensor, padded: Grid, margin_mm: int, spatial_shape: Sequence[int]) -> Grid:
    """Bounding box of a label with a margin, divided into a number of voxels: another box for every image.

    Args:
        label: (1, X, Y, Z), 0 is background.
        padded: from :func:`padded_grid`.
        margin_mm: left around the label, a whole number.
        spatial_shape: voxels along the edges of the box.

    Returns:
        The grid.

    Raises:
        ValueError: where the label is empty; names its file.
    """
    inside = label.as_tensor()[0].nonzero()
    if not len(inside):
        raise ValueError(f"{image_name(label, 'label')}: expected a label to crop to, got none")
    faces = torch.stack([inside.amin(0) - 0.5, inside.amax(0) + 0.5])
    corners = torch.cartesian_prod(*faces.T)  # of the box of labeled voxels in their own grid
    corners = padded.world_to_voxel(Grid.from_image(label).voxel_to_world(corners))
    first = (corners.amin(0) + 0.5).round().long() - margin_mm
    last = (corners.amax(0) - 0.5).round().long().maximum(first + margin_mm) + margin_mm
    affine = padded.affine.clone()
    affine[:3, 3] = padded.voxel_to_world(first)
    size = (last - first + 1).tolist()
    return network_grid(Grid(size, affine), [edge / count for edge, count in zip(size, spatial_shape, strict=True)])


class ToCenteredRegiond(MapTransform):
    """Put images on one grid, a box about the center of each, or of the first alone.

    Aligned by centers: region crops share a center, not a world frame. So the boxes of the images, not their world
    positions, are laid on each other: results carry the affine of the first key's box, and ``alignment`` tells how the
    second key's box lies to it. Intensities become z-scores of the whole image before it is padded.

    Aligned in the world: images of one patient, such as MR and ultrasound. The box of the first key is the box of all;
    ``alignment`` is the identity. Intensities become z-scores of what lies in the box, since one image may be a head
    and the other a small part of it.

    An image with voxels at most half as large as those of the grid is averaged first. The untouched image under key
    ``k`` moves to ``k_native``. A label goes with its image: ``fixed`` and ``fixed_label``, ``image`` and ``label``.

    Args:
        keys: images, MetaTensors (1, X, Y, Z) with an affine; the fixed one first.
        pad_mm: no image that has a box of its own may be larger.
        box_mm: edges of the box in the middle of the padded image.
        spatial_shape: voxels along them.
        background: z-score outside an image; None repeats its border voxels.
        contour_margin_mm: −1 for the fixed box; else the box follows each image's own label, at this distance, as in
            the paper. That uses the labels of the images to be registered.
        alignment: "center" or "world".

    Raises:
        ValueError: for a constant image, one larger than the pad or outside the box, a label not shaped as its image
            or lacking where it is cropped to, each with the name of the file; for another alignment or margin.

    Example:
        >>> item = {"image": MetaTensor(torch.rand(1, 35, 50, 36), affine=torch.eye(4))}
        >>> ToCenteredRegiond("image")(item)["image"].shape
        torch.Size([1, 48, 48, 48])
    """

    def __init__(
        self,
        keys: KeysCollection,
        pad_mm: int = 64,
        box_mm: Sequence[int] = (44, 60, 46),
        spatial_shape: int | Sequence[int] = 48,
        background: float | None = 0.0,
        contour_margin_mm: int = -1,
        alignment: str = "center",
    ):
        super().__init__(keys)
        if not isinstance(contour_margin_mm, int) or contour_margin_mm < -1:
            raise ValueError(f"contour_margin_mm: expected −1 or a whole number from 0 on, got {contour_margin_mm!r}")
        one_of("alignment", alignment, ALIGNMENTS)
        self.alignment = alignment
        self.pad_mm, self.box_mm = pad_mm, tuple(box_mm)
        self.spatial_shape = ensure_tuple_rep(spatial_shape, 3)
        self.background, self.contour_margin_mm = background, contour_margin_mm

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """The item with images and labels on the common grid, their originals and the alignment."""
        item = dict(data)
        for key in self.keys:
            _check_label(item, key)
        grids = [self._grid(item, self.keys[0] if self.alignment == "world" else key) for key in self.keys]
        for key, grid in zip(self.keys, grids, strict=True):
            native, label_key = item[key], _label_key(key)
            region = self._intensities(native, grid)
            item[key], item[f"{key}{NATIVE_SUFFIX}"] = on_grid(region, grids[0], like=native), native
            if label_key in item:
                native = item[label_key]
                region = resample(native, Grid.from_image(native), grid, mode="nearest")
                item[label_key], item[f"{label_key}{NATIVE_SUFFIX}"] = on_grid(region, grids[0], like=native), native
        if len(grids) > 1:
            item[ALIGNMENT_KEY] = grids[1].affine @ torch.linalg.inv(grids[0].affine)
        return item

    def _grid(self, item: Mapping[Hashable, Any], key: Hashable) -> Grid:
        label, padded = item.get(_label_key(key)), padded_grid(item[key], self.pad_mm)
        if self.contour_margin_mm < 0:
            return region_grid(padded, self.box_mm, self.spatial_shape)
        if label is None:
            name = image_name(item[key], str(key))
            raise ValueError(
                f"{name}: expected a label under {_label_key(key)!r} for contour_margin_mm = {self.contour_margin_mm},"
                " got none"
            )
        return contour_grid(label, padded, self.contour_margin_mm, self.spatial_shape)

    def _intensities(self, native: MetaTensor, grid: Grid) -> torch.Tensor:
        own = Grid.from_image(native)
        if self.alignment == "center":
            return resample_smoothly(z_score(native), own, grid, background=self.background)
        inside = resample(torch.ones_like(native.as_tensor()), own, grid) > 0.5
        if not inside.any():
            name = image_name(native)
            raise ValueError(
                f"{name}: expected an image that reaches into the box of the fixed one, got none of it there"
            )
        region = z_score(on_grid(resample_smoothly(native, own, grid), grid, like=native), inside).as_tensor()
        return region if self.background is None else torch.where(inside, region, self.background)


class AddAlignmentd(Transform):
    """Add to a field what :class:`ToCenteredRegiond` did to the moving image: u(p) ← A (p + u(p)) − p.

    Args:
        field_key: (3, X, Y, Z), RAS mm, a MetaTensor with the affine of its grid.

    Example:
        >>> affine = torch.eye(4, dtype=torch.float64)
        >>> affine[0, 3] = 2.0
        >>> item = {"field_mm": MetaTensor(torch.ones(3, 2, 2, 2), affine=torch.eye(4)), "alignment": affine}
        >>> AddAlignmentd()(item)["field_mm"][:, 0, 0, 0].tolist()
        [3.0, 1.0, 1.0]
    """

    def __init__(self, field_key: str = "field_mm"):
        super().__init__()
        self.field_key = field_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """The item with the whole field."""
        item = dict(data)
        field = item[self.field_key]
        grid, alignment = Grid.from_image(field), torch.as_tensor(item[ALIGNMENT_KEY])
        points = grid.voxel_to_world(identity_grid(list(grid.spatial_shape)).movedim(0, -1))
        moved = apply_affine(alignment, points + field.as_tensor().cpu().movedim(0, -1))
        item[self.field_key] = on_grid((moved - points).movedim(-1, 0).to(field.as_tensor()), grid, like=field)
        return item


def _check_label(item: Mapping[Hashable, Any], key: Hashable) -> None:
    image, label = item[key], item.get(_label_key(key))
    if label is not None and label.shape != image.shape:
        name = image_name(label, _label_key(key))
        raise ValueError(f"{name}: expected the shape of its image, {tuple(image.shape)}, got {tuple(label.shape)}")


def _label_key(key: Hashable) -> str:
    return "label" if key == "image" else f"{key}_label"
