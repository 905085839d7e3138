"""Dissimilarity of a warped and a fixed image by name."""

from monai.losses import GlobalMutualInformationLoss
from torch import nn

from ..words import one_of
from .local_correlation import LocalCorrelationLoss
from .wasserstein.coordinate import CoordinateWassersteinLoss
from .wasserstein.patch import PatchSlicedWassersteinLoss
from .wasserstein.radon import RadonWassersteinLoss
from .wasserstein.sliced import SlicedWassersteinLoss

NAMES = ("mse", "swd", "radon", "pswd", "coord_swd", "lncc", "mi")
NCC_WINDOW = 9  # voxels, as in VoxelMorph


def dissimilarity(
    name: str,
    num_projections: int = 400,
    embedding: int = 50,
    power: int = 0,
    cover_border: bool = False,
    redraw: bool = True,
    seed: int = 0,
) -> nn.Module:
    """Image term of a registration loss; called with (warped, fixed), both (B, 1, X, Y, Z), smaller is better.

    Args:
        name: mse, swd, radon, pswd or coord_swd; mi is MONAI's, lncc is within [−1, 0].
        num_projections: of the Wasserstein distances.
        embedding: voxels per row for swd and pswd, bins for radon; not used by the others.
        power: p of the Wasserstein distances, 1 or 2; 0 takes each one's own, 1 for radon and 2 for the others.
        cover_border: of pswd: a last patch ends at the border.
        redraw: whether directions change from step to step; a validation sets false.
        seed: of the directions.

    Returns:
        The module.

    Raises:
        ValueError: for an unknown name.

    Example:
        >>> dissimilarity("mse")
        MSELoss()
    """
    one_of("similarity", name, NAMES)
    directions = {"num_projections": num_projections, "redraw": redraw, "seed": seed}
    directions |= {"power": power} if power else {}
    if name == "mse":
        return nn.MSELoss()
    if name == "lncc":
        return LocalCorrelationLoss(NCC_WINDOW)
    if name == "mi":
        return GlobalMutualInformationLoss()
    if name == "swd":
        return SlicedWassersteinLoss(embedding=embedding, **directions)
    if name == "pswd":
        return PatchSlicedWassersteinLoss(embedding=embedding, cover_border=cover_border, **directions)
    if name == "radon":
        return RadonWassersteinLoss(num_bins=embedding, **directions)
    return CoordinateWassersteinLoss(**directions)
