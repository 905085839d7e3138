"""Where a NIfTI file lies: its affine in millimeters, from the unit, sform and qform of its header."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError, SpatialImage

from ..words import InputWarning
from ..world.units import millimeters_per_unit

TOLERANCE_MM = 0.1
LONGEST_EDGE_MM = 5000.0  # of an image; beyond it the unit is probably wrong
QUATERNION_SLACK = 1e-3  # by which b² + c² + d² may exceed 1, more than by rounding to four digits


class VolumeError(ValueError):
    """A file that exists but holds no usable volume; the message names the file, what was expected and found."""


def open_nifti(path: Path) -> nib.Nifti1Pair:
    """Open a NIfTI file; its voxels are not read.

    Raises:
        FileNotFoundError: no such file.
        VolumeError: an empty or foreign file, or a header that says nothing sensible.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: expected a NIfTI file, found {'a folder' if path.is_dir() else 'nothing'}")
    if path.stat().st_size == 0:
        raise VolumeError(f"{path}: expected a NIfTI file, found an empty file")
    try:
        with _unit_quaternions():
            image = nib.load(path)
    except (ImageFileError, HeaderDataError, OSError, EOFError, ValueError) as error:
        raise VolumeError(f"{path}: expected a NIfTI file, found content that is none ({error})") from error
    if not isinstance(image, nib.Nifti1Pair):
        raise VolumeError(f"{path}: expected a NIfTI file, found {type(image).__name__}")
    return image


def value_step(image: SpatialImage) -> float:
    """Slope of a file of scaled integers, the distance of neighboring values; 0 of other numbers.

    Example:
        >>> value_step(nib.Nifti1Image(np.zeros((2, 2, 2)), np.eye(4)))
        0.0
    """
    stored = image.dataobj
    if not nib.is_proxy(stored) or not np.issubdtype(stored.dtype, np.integer):
        return 0.0
    return abs(float(stored.slope))


def forms_mm(image: nib.Nifti1Pair, path: Path) -> dict[str, np.ndarray]:
    """Those of sform and qform that are set, (4, 4) each, RAS mm; a qform that cannot be read is warned of.

    Example:
        >>> image = nib.Nifti1Image(np.zeros((2, 2, 2)), np.eye(4))
        >>> image.header["xyzt_units"] = 1
        >>> forms_mm(image, Path("a.nii"))["sform"].diagonal().tolist()
        [1000.0, 1000.0, 1000.0, 1.0]
    """
    forms = {}
    for name in ("sform", "qform"):
        try:
            with _unit_quaternions():
                matrix = getattr(image.header, f"get_{name}")(coded=True)[0]
        except (ValueError, HeaderDataError) as error:
            _warn(f"{path}: the {name} cannot be read ({error}), so that it counts for nothing")
            continue
        if matrix is not None:
            forms[name] = _scale(image) @ matrix
    return forms


def affine_mm(image: nib.Nifti1Pair, path: Path) -> np.ndarray:
    """Voxels to RAS mm: the sform where one is set, else the qform, else what ITK makes of the voxel size alone.

    ITK lays an image without both on the axes L, P and S with its first voxel at the origin, so that a field of ours
    is right for such files in ITK, ANTs and 3D Slicer. nibabel lays its middle there.

    Raises:
        VolumeError: for an affine that is singular or not finite.
    """
    forms = forms_mm(image, path)
    if forms:
        affine = next(iter(forms.values()))
    else:
        zooms = np.asarray(image.header.get_zooms()[:3], dtype=float)
        affine = _scale(image) @ np.diag([*(zooms * (-1, -1, 1)), 1.0])
        _warn(
            f"{path}: neither sform nor qform is set, so nothing tells where it lies; as in ITK its first voxel is laid"
            " at the origin, and its axes on left, posterior and superior"
        )
    if not np.isfinite(affine).all() or np.linalg.matrix_rank(affine) < 4:
        kind = "singular" if np.isfinite(affine).all() else "not finite"
        raise VolumeError(f"{path}: expected an invertible affine, found a {kind} one: {affine.tolist()}")
    _warn_of_size(affine, image, path)
    return affine


def distance_mm(first: np.ndarray, second: np.ndarray, spatial_shape: tuple[int, ...]) -> float:
    """Largest distance of a corner under two affines.

    Example:
        >>> distance_mm(np.eye(4), np.diag([-1, 1, 1, 1]), (3, 3, 3))
        4.0
    """
    ends = np.array([(*corner, 1) for corner in product(*((0, length - 1) for length in spatial_shape))]).T
    return float(np.linalg.norm((first - second)[:3] @ ends, axis=0).max())


def warn_of_disagreement(image: nib.Nifti1Pair, affine: np.ndarray, path: Path) -> None:
    """Warn where another reader may place the image more than 0.1 mm elsewhere than its affine does.

    Args:
        image: with its header.
        affine: from :func:`affine_mm`.
        path: for the message.
    """
    forms = forms_mm(image, path)
    if not forms:
        return
    used = next(iter(forms))
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    zooms = np.asarray(image.header.get_zooms()[:3]) * _scale(image)[0, 0]
    others = {name: form for name, form in forms.items() if name != used}
    others["voxel size"] = affine @ np.diag([*(zooms / spacing), 1.0])
    for name, other in others.items():
        distance = distance_mm(affine, other, image.shape[:3])
        if distance > TOLERANCE_MM:
            message = f"{path}: the {name} places a corner {distance:.1f} mm from where the {used} does"
            _warn(f"{message}; the {used} is used")


def _scale(image: nib.Nifti1Pair) -> np.ndarray:
    factor = millimeters_per_unit(image.header)
    return np.diag([factor, factor, factor, 1.0])


def _warn_of_size(affine: np.ndarray, image: nib.Nifti1Pair, path: Path) -> None:
    edges = np.linalg.norm(affine[:3, :3], axis=0) * image.shape[:3]
    if max(edges) > LONGEST_EDGE_MM:
        _warn(f"{path}: its longest edge is {max(edges) / 1000:.1f} m by the unit in its header (xyzt_units)")


@contextmanager
def _unit_quaternions() -> Iterator[None]:
    """Lets nibabel read quaternions that rounding has made longer than 1."""
    own = nib.Nifti1Header.get_qform_quaternion
    nib.Nifti1Header.get_qform_quaternion = _unit_quaternion
    try:
        yield
    finally:
        nib.Nifti1Header.get_qform_quaternion = own


def _unit_quaternion(header: nib.Nifti1Header) -> np.ndarray:
    """(a, b, c, d) of length 1 from b, c and d."""
    rest = np.array([float(header[f"quatern_{name}"]) for name in "bcd"])
    squared = rest @ rest
    if squared > 1 + QUATERNION_SLACK:
        raise HeaderDataError(f"expected a quaternion of length 1 in the qform, found b² + c² + d² = {squared:.4g}")
    return np.array([np.sqrt(max(1 - squared, 0.0)), *(rest / max(np.sqrt(squared), 1.0))])


def _warn(sentence: str) -> None:
    warnings.warn(sentence, InputWarning, stacklevel=4)
