"""Commands on saved transforms: invert, compose, convert, and the Jacobian determinant."""

import os

from ..data.volume import input_volume
from ..metrics.regularity import determinant_of_field_mm, determinant_scores
from ..words import one_of
from ..world.chain import FieldMap
from ..world.files import save_image
from ..world.grid import Grid
from ..world.transform_files import read_chain, write_for_fsl, write_transform

FORMS = ("itk", "fsl")


def grid_of(image: str | os.PathLike, header: str = "") -> Grid | None:
    """Grid of an image; None for an empty name."""
    return Grid.from_image(input_volume(image, header)) if image else None


def compose(transforms: str = "", output: str = "", reference: str = "", header: str = "") -> None:
    """Write several transforms as one: a field, or one affine file where none of them is a field.

    Args:
        transforms: files, separated by commas, in the order in which points of the reference pass them, as
            antsApplyTransforms lists them; inverse:FILE for an inverse.
        output: .nii.gz for a field; .tfm, .mat (ITK's and ANTs') or .txt (4 × 4, RAS mm) for an affine map.
        reference: image whose grid the field takes; empty for that of the first field.
        header: sform or qform, to be trusted where the two of the reference disagree.
    """
    write_transform(output, read_chain(transforms), grid_of(reference, header))


def invert(transforms: str = "", output: str = "", reference: str = "", header: str = "") -> None:
    """Write the inverse of a transform, or of several: it brings the fixed image onto the moving one.

    Args:
        transforms: as for compose.
        output: as for compose.
        reference: image whose grid the field takes, mostly the moving one; empty for that of the first field.
        header: sform or qform, to be trusted where the two of the reference disagree.
    """
    chain = read_chain(transforms)
    grid = grid_of(reference, header) or next((part.grid for part in chain.maps if isinstance(part, FieldMap)), None)
    write_transform(output, chain.inverse(), grid)


def convert(transforms: str, output: str, to: str = "itk", fixed: str = "", moving: str = "", header: str = "") -> None:
    """Write a transform in another form.

    Args:
        transforms: as for compose.
        output: as for compose; with --to fsl .mat for flirt -applyxfm -init, .nii.gz for applywarp --rel -w.
        to: itk, also for ANTs and 3D Slicer; or fsl, whose transforms need both images.
        fixed: reference image; gives a field its grid.
        moving: image that the transform is applied to; for fsl.
        header: sform or qform, to be trusted where the two of an image disagree.
    """
    chain = read_chain(transforms)
    if one_of("to", to, FORMS) == "itk":
        write_transform(output, chain, grid_of(fixed, header))
        return
    if not (fixed and moving):
        raise ValueError("convert: expected --fixed and --moving beside --to fsl, whose transforms depend on both")
    write_for_fsl(output, chain, grid_of(fixed, header), grid_of(moving, header))


def jacobian(transforms: str = "", output: str = "", reference: str = "", header: str = "") -> dict[str, float]:
    """Write the local change of volume, the determinant of the Jacobian, as an image; 1 keeps volumes, ≤ 0 is a fold.

    Args:
        transforms: as for compose; affine maps count.
        output: .nii.gz.
        reference: image whose grid it takes; empty for that of the first field.
        header: sform or qform, to be trusted where the two of the reference disagree.

    Returns:
        The share of folds, the spread of its logarithm, least and largest value.
    """
    chain = read_chain(transforms)
    grid = grid_of(reference, header) or next((part.grid for part in chain.maps if isinstance(part, FieldMap)), None)
    if grid is None:
        raise ValueError("jacobian: expected --reference beside affine maps, got none")
    determinant = determinant_of_field_mm(chain.field_on(grid), grid)
    save_image(output, determinant, grid)
    return determinant_scores(determinant) | {"min": determinant.min().item(), "max": determinant.max().item()}
