"""Lung mask of a chest CT by threshold and connected components."""

import torch
from monai.data import MetaTensor
from scipy import ndimage

from ...world.grid import Grid, image_name

AIR_HU = -400.0
BODY_HU = -200.0
MIN_LITERS, MAX_LITERS = 0.5, 12.0
MIN_HU, MAX_HU = -950.0, -500.0
MAX_RATIO = 8.0  # a second component smaller than this is no lung
CLOSING_MM = 6.0


class DomainError(ValueError):
    """An image that is not what the method is made for; the message names the file and what was found."""


def lung_mask(image: MetaTensor) -> torch.Tensor:
    """Voxels of both lungs: the two largest air components inside the body, closed by a few millimeters.

    Air is below −400 HU; air that touches the border of the image in any axial slice is outside the body. One component
    that holds both lungs, joined through the airways, counts as two.

    Args:
        image: chest CT, (1, X, Y, Z), HU.

    Returns:
        (X, Y, Z), bool.

    Raises:
        DomainError: where the intensities are no HU or no plausible pair of lungs is found; names the file.

    Reference: Bigalke et al., MICCAI 2023, section 3.1: "automatically generated lung masks", not specified there.
    """
    name, grid = image_name(image), Grid.from_image(image)
    volume = image.as_tensor()[0].cpu()
    air_share = float((volume < AIR_HU).float().mean())
    if float(volume.min()) > -500 or not 0.02 < air_share < 0.98:
        raise DomainError(
            f"{name}: expected a chest CT in HU, got values from {volume.min():g} to {volume.max():g}"
            f" with {air_share:.0%} below {AIR_HU:g}"
        )
    inside = (volume < AIR_HU).numpy() & ~_outside(volume, grid)
    labels, count = ndimage.label(inside)
    liters = ndimage.sum_labels(inside, labels, range(1, count + 1)) * _voxel_liters(grid) if count else []
    order = sorted(range(count), key=lambda index: -liters[index])[:2]
    order = [index for index in order if liters[index] * MAX_RATIO >= liters[order[0]]]
    mask = torch.isin(torch.from_numpy(labels), torch.tensor([index + 1 for index in order]))
    check_lungs(sum(float(liters[index]) for index in order), float(volume[mask].mean()) if order else 0.0, name)
    return _closed(mask, grid)


def check_lungs(liters: float, mean_hu: float, name: str) -> None:
    """Refuses what no pair of lungs is: a volume outside 0.5 to 12 l, or a mean that is air's or tissue's.

    Args:
        liters: of both lungs.
        mean_hu: inside them; lungs have −950 to −500 HU, gas in the bowel about −1000.
        name: of the image, for the message.

    Raises:
        DomainError: for anything else.
    """
    if not MIN_LITERS <= liters <= MAX_LITERS or not MIN_HU <= mean_hu <= MAX_HU:
        raise DomainError(
            f"{name}: expected lungs of {MIN_LITERS:g} to {MAX_LITERS:g} liters and {MIN_HU:g} to {MAX_HU:g} HU "
            f"inside the body, got {liters:.2f} liters of {mean_hu:.0f} HU"
        )


def _outside(volume: torch.Tensor, grid: Grid):
    """Air around the body: in each axial slice, air connected with the border of the slice."""
    axis = int(grid.affine[2, :3].abs().argmax())  # the tensor axis along which the body lies
    air = (volume < BODY_HU).movedim(axis, 0).numpy()
    outside = air.copy()
    for index, plane in enumerate(air):
        labels, _ = ndimage.label(plane)
        border = {*labels[0], *labels[-1], *labels[:, 0], *labels[:, -1]} - {0}
        outside[index] = torch.isin(torch.from_numpy(labels), torch.tensor(sorted(border))).numpy()
    return torch.from_numpy(outside).movedim(0, axis).numpy()


def _voxel_liters(grid: Grid) -> float:
    return float(torch.linalg.det(grid.affine[:3, :3]).abs()) * 1e-6


def _closed(mask: torch.Tensor, grid: Grid) -> torch.Tensor:
    """Vessels inside the lungs belong to them: everything nearer than the radius to lung on all sides."""
    radius = CLOSING_MM / 2
    near = ndimage.distance_transform_edt(~mask.numpy(), sampling=grid.spacing) <= radius
    return torch.from_numpy(ndimage.distance_transform_edt(near, sampling=grid.spacing) > radius) | mask
