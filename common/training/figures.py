"""Pictures for TensorBoard: a registration at a glance, and the confusion among displacements."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F

from ..fields.jacobian import jacobian_determinant
from ..quantiles import robust_range

_GAP = 2
_GRID_STEP = 8.0
_SHOWN = (0.01, 0.99)  # quantiles of an image that become black and white
_FOLDED = (1.0, 1.0, 0.0)


def registration_figure(
    fixed: torch.Tensor, moving: torch.Tensor, warped: torch.Tensor, ddf: torch.Tensor
) -> torch.Tensor:
    """Picture of one registration: fixed | moving | warped | difference | deformation grid | log-Jacobian.

    2-D images are shown as they are; of 3-D images one row shows the middle slice across each axis, with its
    second axis pointing up. ``moving`` and ``warped`` share a gray scale. The difference warped − fixed, each
    scaled to [0, 1], is red where positive and blue where negative. The grid shows the lines of the moving
    image, 8 voxels apart, pulled back to the fixed one. The log-Jacobian runs from blue (half the volume or
    less) over white (volume kept) to red (twice the volume or more); folded voxels are yellow.

    Args:
        fixed: (C, *spatial) or (*spatial,), any range; of several channels the first is shown.
        moving: as ``fixed``, on the same grid.
        warped: as ``fixed``.
        ddf: (D, *spatial), voxels.

    Returns:
        Color picture (3, H, W), float32 in [0, 1], on the CPU.

    Raises:
        ValueError: if the images do not have the spatial shape of ``ddf``.

    Example:
        >>> image = torch.rand(1, 16, 20)
        >>> registration_figure(image, image, image, torch.zeros(2, 16, 20)).shape
        torch.Size([3, 16, 130])
    """
    ddf = ddf.detach().float().cpu()
    spatial = tuple(ddf.shape[1:])
    if len(spatial) not in (2, 3) or ddf.shape[0] != len(spatial):
        raise ValueError(f"expected a ddf of shape (D, *spatial) with D = 2 or 3, got {tuple(ddf.shape)}")
    named = {"fixed": fixed, "moving": moving, "warped": warped}
    images = {name: _first_channel(name, image, spatial) for name, image in named.items()}
    low, high = robust_range(images["moving"], _SHOWN)
    scaled = [_scaled(images["fixed"], *robust_range(images["fixed"], _SHOWN))]
    scaled += [_scaled(images[name], low, high) for name in ("moving", "warped")]
    determinant = jacobian_determinant(ddf[None])[0].reshape(spatial)
    rows = []
    for axis in _slicing_axes(len(spatial)):
        gray = [_gray(_slice(image, axis)) for image in scaled]
        difference = diverging_colors(_slice(scaled[2] - scaled[0], axis))
        grid = _gray(_slice(_grid_lines(ddf, axis), axis))
        rows.append([*gray, difference, grid, _jacobian_colors(_slice(determinant, axis))])
    return tile(rows)


def confusion_figure(
    confusion: torch.Tensor, grid_shape: Sequence[int] | None = None, cell_pixels: int = 8
) -> torch.Tensor:
    """Picture of a confusion matrix, each row scaled to sum 1; black is 0, white is 1.

    With ``grid_shape`` the classes are places on a grid of displacements: the tile at place (i, j) shows, on
    the same grid, what was predicted where (i, j) was true, and the true place is framed in green.

    Args:
        confusion: (K, K), counts or shares ≥ 0, row = true class.
        grid_shape: (rows, columns) with rows · columns = K, classes in row-major order; None shows the matrix.
        cell_pixels: edge of one class in pixels, ≥ 3.

    Returns:
        Color picture (3, H, W), float32 in [0, 1], on the CPU.

    Raises:
        ValueError: if ``confusion`` is not square or ``grid_shape`` does not hold its classes.

    Example:
        >>> confusion_figure(torch.eye(4), grid_shape=(2, 2), cell_pixels=4).shape
        torch.Size([3, 18, 18])
    """
    confusion = torch.as_tensor(confusion).detach().float().cpu()
    if confusion.ndim != 2 or confusion.shape[0] != confusion.shape[1]:
        raise ValueError(f"expected a confusion matrix of shape (K, K), got {tuple(confusion.shape)}")
    num_classes = confusion.shape[0]
    shares = confusion / confusion.sum(dim=1, keepdim=True).clamp(min=1e-12)
    if grid_shape is None:
        return _gray(_enlarged(shares, cell_pixels))
    rows, columns = grid_shape
    if rows * columns != num_classes:
        raise ValueError(f"expected a grid_shape of {num_classes} places, got {rows} × {columns}")
    tiles = [
        _framed(_gray(_enlarged(shares[label].view(rows, columns), cell_pixels)), divmod(label, columns), cell_pixels)
        for label in range(num_classes)
    ]
    return tile([tiles[row * columns : (row + 1) * columns] for row in range(rows)], background=0.4)


def diverging_colors(value: torch.Tensor) -> torch.Tensor:
    """Colors of signed values: −1 or less blue, 0 white, 1 or more red.

    Args:
        value: (H, W).

    Returns:
        (3, H, W) in [0, 1].

    Example:
        >>> diverging_colors(torch.tensor([[-1.0, 0.0, 1.0]]))[:, 0].T.tolist()
        [[0.0, 0.0, 1.0], [1.0, 1.0, 1.0], [1.0, 0.0, 0.0]]
    """
    positive, negative = value.clamp(0, 1), (-value).clamp(0, 1)
    return torch.stack([1 - negative, 1 - positive - negative, 1 - positive])


def tile(rows: Sequence[Sequence[torch.Tensor]], background: float = 0.0) -> torch.Tensor:
    """Rows of pictures as one picture, 2 pixels apart; smaller pictures are centered in their place.

    Args:
        rows: pictures (3, H, W) in [0, 1].
        background: gray value between and around the pictures, in [0, 1].

    Returns:
        (3, H, W) in [0, 1].

    Example:
        >>> tile([[torch.ones(3, 4, 5), torch.ones(3, 2, 5)]]).shape
        torch.Size([3, 4, 12])
    """
    height = [max(picture.shape[1] for picture in row) for row in rows]
    width = max(picture.shape[2] for row in rows for picture in row)
    lines = [
        torch.cat([_padded(picture, h, width, background) for picture in row], dim=2)
        for row, h in zip(rows, height, strict=True)
    ]
    return torch.cat(lines, dim=1)[:, :-_GAP, :-_GAP].clamp(0, 1)


def _padded(picture: torch.Tensor, height: int, width: int, background: float) -> torch.Tensor:
    """Centered in the given size, with the gap to the next picture below and to the right."""
    top, left = (height - picture.shape[1]) // 2, (width - picture.shape[2]) // 2
    right, bottom = width - picture.shape[2] - left, height - picture.shape[1] - top
    return F.pad(picture, (left, right + _GAP, top, bottom + _GAP), value=background)


def _first_channel(name: str, image: torch.Tensor, spatial: tuple[int, ...]) -> torch.Tensor:
    image = torch.as_tensor(image).detach().float().cpu()
    if image.ndim == len(spatial) + 1:
        image = image[0]
    if tuple(image.shape) != spatial:
        raise ValueError(f"expected {name} on the grid {spatial} of the ddf, got {tuple(image.shape)}")
    return image


def _slicing_axes(spatial_dims: int) -> list[int | None]:
    return [None] if spatial_dims == 2 else [0, 1, 2]


def _slice(volume: torch.Tensor, axis: int | None) -> torch.Tensor:
    """Middle slice across an axis, second axis up; an image stays as it is."""
    return volume if axis is None else volume.select(axis, volume.shape[axis] // 2).rot90()


def _scaled(image: torch.Tensor, low: torch.Tensor, high: torch.Tensor) -> torch.Tensor:
    return ((image - low) / (high - low).clamp(min=1e-12)).clamp(0, 1)


def _gray(image: torch.Tensor) -> torch.Tensor:
    return image.expand(3, *image.shape)


def _grid_lines(ddf: torch.Tensor, axis: int | None) -> torch.Tensor:
    """Lines of the moving grid, seen from the fixed one, along the axes that lie within the slice.

    A line is where a coordinate of x + u(x) is a multiple of the step; brightness falls to 0 one voxel away.
    """
    distance = torch.full(ddf.shape[1:], _GRID_STEP)
    for k in range(ddf.shape[0]):
        if k != axis:
            shape = [-1 if dim == k else 1 for dim in range(ddf.shape[0])]
            phase = (ddf[k] + torch.arange(ddf.shape[k + 1]).view(shape)) % _GRID_STEP
            distance = distance.minimum(torch.minimum(phase, _GRID_STEP - phase))
    return (1 - distance).clamp(0, 1)


def _jacobian_colors(determinant: torch.Tensor) -> torch.Tensor:
    colors = diverging_colors(determinant.clamp(min=1e-6).log2())
    return torch.where(determinant <= 0, torch.tensor(_FOLDED).view(3, 1, 1), colors)


def _enlarged(image: torch.Tensor, pixels: int) -> torch.Tensor:
    return image.repeat_interleave(pixels, dim=0).repeat_interleave(pixels, dim=1)


def _framed(picture: torch.Tensor, place: tuple[int, int], pixels: int) -> torch.Tensor:
    """Green frame, one pixel wide, around the cell at a place."""
    picture = picture.clone()
    top, left = place[0] * pixels, place[1] * pixels
    cell = picture[:, top : top + pixels, left : left + pixels]
    inner = cell[:, 1:-1, 1:-1].clone()
    cell[:] = torch.tensor([0.0, 1.0, 0.0]).view(3, 1, 1)
    cell[:, 1:-1, 1:-1] = inner
    return picture
