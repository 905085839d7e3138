"""Patch-sliced Wasserstein distance: the sliced distance of corresponding patches (Shams et al., ISBI 2022)."""

import torch

from .directions import ProjectedLoss
from .sliced import sliced_wasserstein, voxel_rows


def patch_starts(size: int, patch_size: int, stride: int, cover_border: bool = False) -> list[int]:
    """First voxels of the patches along one axis.

    Args:
        size: voxels of the axis.
        patch_size: voxels of a patch, at most ``size``.
        stride: from patch to patch.
        cover_border: whether one more patch ends at the last voxel where the stride leaves voxels over.

    Returns:
        The starts, ascending.

    Raises:
        ValueError: where a patch does not fit or the stride is not positive.

    Example:
        >>> patch_starts(48, 11, 5)
        [0, 5, 10, 15, 20, 25, 30, 35]
        >>> patch_starts(48, 11, 5, cover_border=True)[-2:]
        [35, 37]
    """
    if not 1 <= patch_size <= size or stride < 1:
        raise ValueError(f"expected patch_size in 1 … {size} and stride ≥ 1, got {patch_size} and {stride}")
    starts = list(range(0, size - patch_size + 1, stride))
    if cover_border and starts[-1] != size - patch_size:
        starts.append(size - patch_size)
    return starts


def extract_patches(
    image: torch.Tensor, patch_size: int = 11, stride: int = 5, cover_border: bool = False
) -> torch.Tensor:
    """Overlapping cubic patches of images.

    Args:
        image: (B, C, *spatial), D spatial axes.
        patch_size: edge in voxels.
        stride: in voxels.
        cover_border: see :func:`patch_starts`.

    Returns:
        (B · P, C · patch_size^D), the P patches of the first image first, voxels in C order.

    Raises:
        ValueError: where a patch does not fit into the image.

    Example:
        >>> extract_patches(torch.zeros(1, 1, 48, 48, 48)).shape
        torch.Size([512, 1331])
    """
    spatial_dims = image.ndim - 2
    patches = image
    for axis, size in enumerate(image.shape[2:]):
        starts = torch.tensor(patch_starts(size, patch_size, stride, cover_border), device=image.device)
        voxels = starts[:, None] + torch.arange(patch_size, device=image.device)
        # After k axes the shape is (B, C, P_1, w, ..., P_k, w, *rest).
        patches = patches.index_select(2 + 2 * axis, voxels.flatten()).unflatten(2 + 2 * axis, voxels.shape)
    places, widths = (range(start, 2 * spatial_dims + 2, 2) for start in (2, 3))
    return patches.permute(0, *places, 1, *widths).flatten(1 + spatial_dims).flatten(0, spatial_dims)


def patch_sliced_wasserstein(
    image: torch.Tensor,
    other: torch.Tensor,
    directions: torch.Tensor,
    patch_size: int = 11,
    stride: int = 5,
    cover_border: bool = False,
    power: int = 2,
) -> torch.Tensor:
    """Mean sliced distance of corresponding patches, PSW = (1/P) Σ_i SW_p^p(P_i^x, P_i^y).

    Every patch is a set of rows of E voxels (:func:`~.sliced.voxel_rows`); all patches share the
    directions.

    Args:
        image: x, (B, C, *spatial).
        other: y, (B, C, *spatial).
        directions: (K, E).
        patch_size: edge in voxels.
        stride: in voxels.
        cover_border: see :func:`patch_starts`. Patches of 11 with stride 5 leave the last two planes of 48 out.
        power: p, 1 or 2.

    Returns:
        A scalar, mean over patches and batch.

    Raises:
        ValueError: where a patch does not fit or the shapes differ.

    Example:
        >>> image, directions = torch.rand(1, 1, 16, 16, 16), torch.eye(50)
        >>> patch_sliced_wasserstein(image, image + 2, directions[:1]).item() > 0
        True

    Reference:
        Shams et al., ISBI 2022, equation 4.
    """
    if image.shape != other.shape:
        raise ValueError(f"expected two images of one shape, got {tuple(image.shape)} and {tuple(other.shape)}")
    embedding = directions.shape[1]
    rows = [voxel_rows(extract_patches(x, patch_size, stride, cover_border), embedding) for x in (image, other)]
    return sliced_wasserstein(*rows, directions, power).mean()


class PatchSlicedWassersteinLoss(ProjectedLoss):
    """:func:`patch_sliced_wasserstein` with directions of its own.

    Args:
        num_projections: K; the paper uses 400.
        embedding: E, voxels per row; 50 in the paper.
        patch_size: 11 in the paper.
        stride: 5 in the paper.
        cover_border: see :func:`patch_starts`; the paper's numbers leave out two border planes.
        power: p; not in the paper.
        redraw: whether every call in training mode draws new directions.
        seed: of the directions.
    """

    def __init__(
        self,
        num_projections: int = 400,
        embedding: int = 50,
        patch_size: int = 11,
        stride: int = 5,
        cover_border: bool = False,
        power: int = 2,
        redraw: bool = True,
        seed: int = 0,
    ):
        super().__init__(num_projections, embedding, power, redraw, seed)
        self.patches = {"patch_size": patch_size, "stride": stride, "cover_border": cover_border}

    def distance(self, warped: torch.Tensor, fixed: torch.Tensor, directions: torch.Tensor) -> torch.Tensor:
        """Mean over patches and batch of images (B, C, *spatial) along directions (K, E): a scalar."""
        return patch_sliced_wasserstein(warped, fixed, directions, **self.patches, power=self.power)
