"""Voxel coordinates, and the one place that knows torch's normalized coordinates.

Voxel space: component k counts along tensor axis k; 0 is the center of the first voxel and n − 1 that of the
last. Normalized space (``F.grid_sample`` with ``align_corners=True``): −1 and 1 are these two centers, and
components come in reversed order, last tensor axis first.
"""

import torch
import torch.nn.functional as F


def at_least_float32(tensor: torch.Tensor) -> torch.Tensor:
    """Float64 stays float64, every other dtype becomes float32, because float16 holds 150.3 as 150.25.

    Example:
        >>> at_least_float32(torch.zeros(1, dtype=torch.float16)).dtype
        torch.float32
    """
    return tensor if tensor.dtype == torch.float64 else tensor.to(torch.float32)


def check_ddf(ddf: torch.Tensor) -> None:
    """Check that a field has one component per spatial axis.

    Args:
        ddf: field, expected (B, 2, Y, X)- or (B, 3, X, Y, Z)-shaped.

    Raises:
        ValueError: for any other shape.

    Example:
        >>> check_ddf(torch.zeros(1, 2, 8, 8))
    """
    spatial_dims = ddf.dim() - 2
    if spatial_dims < 2 or spatial_dims > 3 or ddf.size(1) != spatial_dims:
        raise ValueError(f"expected a field of shape (B, 2, *2 axes) or (B, 3, *3 axes), got {list(ddf.shape)}")


def identity_grid(
    spatial_shape: list[int], dtype: torch.dtype = torch.float32, device: torch.device | None = None
) -> torch.Tensor:
    """Voxel coordinates of every voxel: id(x) = x.

    Args:
        spatial_shape: number of voxels along each of the D axes.
        dtype: floating dtype of the coordinates.
        device: where to make them.

    Returns:
        (D, *spatial_shape), voxels; component k is the index along axis k.

    Example:
        >>> identity_grid([2, 3])[1].tolist()
        [[0.0, 1.0, 2.0], [0.0, 1.0, 2.0]]
    """
    axes = [torch.arange(size, dtype=dtype, device=device) for size in spatial_shape]
    return torch.stack(torch.meshgrid(axes, indexing="ij"))


def normalize_coordinates(coordinates: torch.Tensor, spatial_shape: list[int]) -> torch.Tensor:
    """Voxel coordinates to those of ``F.grid_sample``: x ↦ 2x / (n − 1) − 1 along each axis, axes reversed.

    An axis of one voxel has no extent: ``F.grid_sample`` takes its one voxel whatever the coordinate.

    Args:
        coordinates: (B, D, *out), voxels.
        spatial_shape: n, number of voxels along each of the D axes.

    Returns:
        (B, *out, D), −1 to 1 inside the grid.

    Example:
        >>> normalize_coordinates(torch.tensor([[[4.0], [1.0]]]), [5, 3]).tolist()
        [[[0.0, 1.0]]]
    """
    components = [2.0 * coordinates[:, axis] / max(size - 1, 1) - 1.0 for axis, size in enumerate(spatial_shape)]
    # Components lie one after the other in memory: interleaving them would take as long as the sampling.
    return torch.stack(components[::-1], dim=1).movedim(1, -1)


def sample(
    image: torch.Tensor, coordinates: torch.Tensor, mode: str = "bilinear", padding_mode: str = "border"
) -> torch.Tensor:
    """Interpolate an image at voxel coordinates: out(y) = image(coordinates(y)).

    Computed in float32, or float64 where an argument is float64, under autocast too.

    Args:
        image: (B, C, *in), two or three spatial axes.
        coordinates: (B, D, *out) in voxels of ``image``, D components in tensor-axis order.
        mode: "bilinear" (linear along every axis) or "nearest".
        padding_mode: "border" repeats the outermost voxels, "zeros" puts zeros around the image.

    Returns:
        (B, C, *out).

    Raises:
        ValueError: where the number of components is not the number of the image's axes.

    Example:
        >>> image = torch.tensor([[[[0.0, 10.0, 20.0]] * 2]])
        >>> sample(image, torch.tensor([0.0, 1.5]).view(1, 2, 1, 1)).item()
        15.0
    """
    spatial_shape = list(image.shape[2:])
    if coordinates.size(1) != len(spatial_shape) or coordinates.dim() != image.dim():
        raise ValueError(
            f"expected coordinates of shape (B, {len(spatial_shape)}, *out) for an image of shape"
            f" {list(image.shape)}, got {list(coordinates.shape)}"
        )
    image, coordinates = at_least_float32(image), at_least_float32(coordinates)
    dtype = torch.promote_types(image.dtype, coordinates.dtype)
    image, coordinates = image.to(dtype), coordinates.to(dtype)
    if padding_mode == "zeros":
        # An axis of one voxel gets a second one, of zeros, to let values fade along it as along the others.
        for axis, size in enumerate(spatial_shape):
            if size == 1:
                image = torch.cat([image, torch.zeros_like(image)], dim=axis + 2)
    normalized = normalize_coordinates(coordinates, image.shape[2:])
    return F.grid_sample(image, normalized, mode=mode, padding_mode=padding_mode, align_corners=True)
