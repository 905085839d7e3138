"""Apply saved transforms to an image, a label map or landmarks."""

import numpy as np

from ..data.volume import input_volume
from ..registration.landmarks import Landmarks, read_landmarks, write_landmarks
from ..words import one_of
from ..world.chain import INTERPOLATIONS
from ..world.files import save_image
from ..world.grid import Grid
from ..world.transform_files import read_chain
from .transforms import grid_of


def apply(
    transforms: str = "",
    output: str = "",
    image: str = "",
    reference: str = "",
    points: str = "",
    interpolation: str = "linear",
    background: float = 0.0,
    header: str = "",
) -> None:
    """Bring an image or a label map onto a reference, interpolated once, or move landmarks.

    Args:
        transforms: files, separated by commas, in the order in which points of the reference pass them, as
            antsApplyTransforms lists them; inverse:FILE for an inverse; a folder of register for its field.
        output: image (.nii, .nii.gz), or landmarks (.csv, .fcsv, .mrk.json).
        image: NIfTI file in the moving image's world.
        reference: NIfTI file whose grid the result takes, in the fixed image's world.
        points: landmarks in the fixed image's world, which are moved into the moving one; inverse:FILE moves back.
        interpolation: linear; nearest; or label, the class with the largest share.
        background: value outside the image.
        header: sform or qform, to be trusted where the two of a file disagree.
    """
    if bool(image) == bool(points):
        raise ValueError(f"apply: expected either --image or --points, got {'both' if image else 'none'}")
    one_of("interpolation", interpolation, INTERPOLATIONS)
    chain = read_chain(transforms)
    if points:
        given = read_landmarks(points)
        write_landmarks(output, Landmarks(chain.move_points(given.points_mm), given.labels))
        return
    target = grid_of(reference, header)
    if target is None:
        raise ValueError("apply: expected --reference beside --image, the image whose grid the result takes, got none")
    volume = input_volume(image, header, is_exact=interpolation != "linear")
    warped = chain.resample(volume.as_tensor(), Grid.from_image(volume), target, interpolation, background)
    save_image(output, warped, target, "float32" if interpolation == "linear" else whole_number_type(warped))


def whole_number_type(image) -> str:
    """The smallest of uint8, int16, int32, int64 that holds all values; float32 where they are no whole numbers.

    Example:
        >>> import torch
        >>> whole_number_type(torch.tensor([0.0, 300.0])), whole_number_type(torch.tensor([0.5]))
        ('int16', 'float32')
    """
    if (image != image.round()).any():
        return "float32"
    low, high = image.min().item(), image.max().item()
    limits = {name: np.iinfo(name) for name in ("uint8", "int16", "int32", "int64")}
    return next(name for name, limit in limits.items() if limit.min <= low and high <= limit.max)
