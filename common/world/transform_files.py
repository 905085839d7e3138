"""Transforms on disk: our own, those of ITK and ANTs read and written, those of FSL written."""

import os
import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import scipy.io
import torch

from ..files import write_atomically
from ..optional import optional_module
from .chain import Chain, FieldMap, LinearMap
from .files import RAS_TO_LPS, compressed, load_field, save_affine, save_field
from .grid import Grid, apply_affine, grid_points, slabs

FLIP = torch.diag(torch.tensor([*RAS_TO_LPS.tolist(), 1.0], dtype=torch.float64))
INVERSE = "inverse:"
INSIGHT_HEADER = "#Insight Transform File"
AFFINE_KINDS = ("AffineTransform", "MatrixOffsetTransformBase")
RESULT_FIELD = "field.nii.gz"  # of a folder of a registration
READ = "a displacement field (.nii, .nii.gz), ITK's .tfm, .txt, .mat or .h5, or a 4×4 matrix (.txt)"
FSL_FIELD_INTENT = 2006  # a field as fnirt writes it


def read_transform(path: str | os.PathLike) -> Chain:
    """Read a transform from points of the reference to points of the image to be warped.

    Args:
        path: field of ours, ITK, ANTs or 3D Slicer (.nii, .nii.gz); ITK's .tfm or .txt, also with several transforms;
            ITK's or ANTs' binary .mat; .h5 and ITK's rarer kinds, with SimpleITK; 4 × 4 numbers (.txt), RAS mm; or the
            folder of a registration.

    Returns:
        One map, or those of a composite in the order in which points pass them.

    Raises:
        FileNotFoundError: no such file.
        ValueError: for another content; names the file.
    """
    path = Path(path).expanduser()
    if path.is_dir() and (path / RESULT_FIELD).is_file():
        path = path / RESULT_FIELD
    if not path.is_file():
        raise FileNotFoundError(f"{path}: expected {READ}, there is no such file")
    if path.name.lower().endswith((".nii", ".nii.gz")):
        return Chain((FieldMap(*load_field(path)),))
    readers: dict[str, Callable[[Path], Chain]] = {
        ".tfm": _read_text,
        ".txt": _read_text,
        ".mat": _read_matlab,
        ".h5": _read_by_simpleitk,
    }
    if path.suffix.lower() not in readers:
        raise ValueError(f"{path}: expected {READ}")
    return readers[path.suffix.lower()](path)


def read_chain(transforms: str | os.PathLike | Sequence[str | os.PathLike]) -> Chain:
    """Read transforms in the order in which points of the reference pass them, as ``antsApplyTransforms`` lists them.

    Args:
        transforms: file names, as a sequence or separated by commas; ``inverse:`` before one takes its inverse.

    Raises:
        ValueError: for none, or a file that is no transform.
        FileNotFoundError: for a missing file.
    """
    chain = Chain()
    for name in transform_names(transforms):
        path = name.removeprefix(INVERSE)
        found = read_transform(path)
        chain += found.inverse() if name != path else found
    return chain


def transform_names(transforms: str | os.PathLike | Sequence[str | os.PathLike]) -> list[str]:
    """The names of :func:`read_chain`, one by one.

    Raises:
        ValueError: for none.

    Example:
        >>> transform_names("field.nii.gz, inverse:affine.tfm")
        ['field.nii.gz', 'inverse:affine.tfm']
    """
    if not isinstance(transforms, str | os.PathLike):
        names = [os.fspath(name) for name in transforms]
    elif Path(os.fspath(transforms).removeprefix(INVERSE)).expanduser().exists():
        names = [os.fspath(transforms)]  # a comma in its name separates nothing
    else:
        names = [name.strip() for name in os.fspath(transforms).split(",")]
    if not names or not all(names):
        raise ValueError(f"transforms: expected files, separated by commas, got {transforms!r}")
    return names


def write_transform(path: str | os.PathLike, chain: Chain, grid: Grid | None = None) -> None:
    """Write all maps of a chain as one transform.

    Args:
        path: .nii or .nii.gz for a field in ITK's form; .tfm for ITK's text; .mat for ITK's and ANTs' binary; .txt for
            4 × 4 numbers, RAS mm. The last three hold one affine map.
        chain: what to write.
        grid: of a field; None takes that of the chain's first field.

    Raises:
        ValueError: for another ending, an affine file for a chain with a field, or a field without a grid.
    """
    path = Path(path).expanduser()
    if path.name.lower().endswith((".nii", ".nii.gz")):
        grid = grid or next((part.grid for part in chain.maps if isinstance(part, FieldMap)), None)
        if grid is None:
            raise ValueError(f"{path}: expected a reference image beside, whose grid the field takes, got none")
        save_field(path, chain.field_on(grid), grid)
        return
    writers = {".tfm": save_affine, ".mat": _write_matlab, ".txt": _write_matrix}
    if path.suffix.lower() not in writers:
        raise ValueError(f"{path}: expected a file name that ends in .nii, .nii.gz, .tfm, .mat or .txt")
    if chain.matrix is None:
        raise ValueError(f"{path}: expected one affine map for this kind of file, got a field; .nii.gz holds it")
    writers[path.suffix.lower()](path, chain.matrix)


def flirt_matrix(chain: Chain, fixed: Grid, moving: Grid) -> torch.Tensor:
    """The matrix that FSL's flirt would give: from moving to fixed points, both in FSL's scaled voxels.

    M = S_F F⁻¹ A⁻¹ M S_M⁻¹, with the affines F and M of the images, A the chain's matrix, and S see
    :func:`fsl_from_voxel`.

    Args:
        chain: affine maps.
        fixed: grid of flirt's ``-ref``.
        moving: grid of flirt's ``-in``.

    Returns:
        (4, 4), float64.

    Raises:
        ValueError: for a chain with a field.
    """
    if chain.matrix is None:
        raise ValueError("flirt: expected affine maps, got a field, which --to fsl writes to .nii.gz")
    moving_to_fixed = torch.linalg.inv(fixed.affine) @ torch.linalg.inv(chain.matrix) @ moving.affine
    return fsl_from_voxel(fixed) @ moving_to_fixed @ torch.linalg.inv(fsl_from_voxel(moving))


def fnirt_field(chain: Chain, fixed: Grid, moving: Grid) -> torch.Tensor:
    """Relative displacements for FSL's applywarp: d(x) = S_M M⁻¹ φ(F x) − S_F x.

    Args:
        chain: φ, whatever maps.
        fixed: grid of applywarp's ``--ref``, with affine F.
        moving: grid of its ``--in``, with affine M.

    Returns:
        (X, Y, Z, 3), float32, mm in FSL's scaled voxels.
    """
    to_moving = fsl_from_voxel(moving) @ torch.linalg.inv(moving.affine)
    to_fixed = fsl_from_voxel(fixed) @ torch.linalg.inv(fixed.affine)
    out = torch.empty(*fixed.spatial_shape, 3)
    for rows in slabs(fixed.spatial_shape):
        points = grid_points(fixed, rows)
        moved = chain.move_points(points.view(-1, 3)).view(points.shape)
        out[rows] = (apply_affine(to_moving, moved) - apply_affine(to_fixed, points)).float()
    return out


def fsl_from_voxel(grid: Grid) -> torch.Tensor:
    """FSL's coordinates of voxels, (4, 4): index times voxel size, the first axis reversed where the affine is
    right-handed.

    Example:
        >>> fsl_from_voxel(Grid((5, 4, 4), torch.eye(4)))[0].tolist()
        [-1.0, 0.0, 0.0, 4.0]
    """
    scale = torch.diag(torch.tensor([*grid.spacing, 1.0], dtype=torch.float64))
    if torch.linalg.det(grid.affine) > 0:
        scale[0, 0], scale[0, 3] = -grid.spacing[0], (grid.spatial_shape[0] - 1) * grid.spacing[0]
    return scale


def write_for_fsl(path: str | os.PathLike, chain: Chain, fixed: Grid, moving: Grid) -> None:
    """Write a chain for FSL: .mat for ``flirt -applyxfm -init``, .nii.gz for ``applywarp --rel -w``.

    Args:
        path: file that ends in .mat or .nii.gz.
        chain: what to write.
        fixed: grid of the reference.
        moving: grid of the image to be warped.

    Raises:
        ValueError: for another ending, or .mat for a chain with a field.
    """
    path = Path(path).expanduser()
    if path.name.lower().endswith(".mat"):
        text = _matrix_text(flirt_matrix(chain, fixed, moving))
        write_atomically(path, lambda stream: stream.write(text.encode()))
    elif path.name.lower().endswith(".nii.gz"):
        image = nib.Nifti1Image(fnirt_field(chain, fixed, moving).numpy(), fixed.affine.numpy())
        image.header["intent_code"] = FSL_FIELD_INTENT
        image.header.set_xyzt_units("mm")
        write_atomically(path, partial(compressed, image))
    else:
        raise ValueError(f"{path}: expected a file name that ends in .mat or .nii.gz for FSL")


def _read_text(path: Path) -> Chain:
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: expected text, got other bytes") from error
    if not text.startswith(INSIGHT_HEADER):
        return Chain((LinearMap(_matrix_of_text(text, path)),))
    maps = []
    for block in re.split(r"^#Transform \d+\s*$", text, flags=re.MULTILINE)[1:]:
        kind = re.search(r"^Transform: (\w+?)_(?:double|float)_3_3\s*$", block, flags=re.MULTILINE)
        if kind is not None and kind[1] == "CompositeTransform":
            continue
        if kind is None or kind[1] not in AFFINE_KINDS:
            return _read_by_simpleitk(path)
        parameters, center = _numbers(block, "Parameters"), _numbers(block, "FixedParameters") or [0.0] * 3
        maps.append(_linear_map(parameters, center, path))
    if not maps:
        raise ValueError(f"{path}: expected an ITK transform, got a file without any")
    return Chain(tuple(maps[::-1]))  # of a composite, points pass the last one first


def _numbers(block: str, name: str) -> list[float]:
    found = re.search(rf"^{name}:(.*)$", block, flags=re.MULTILINE)
    return [float(value) for value in found[1].split()] if found else []


def _matrix_of_text(text: str, path: Path) -> torch.Tensor:
    rows = [line.split() for line in text.splitlines() if line.strip()]
    try:
        matrix = torch.tensor([[float(value) for value in row] for row in rows], dtype=torch.float64)
    except ValueError:
        matrix = torch.empty(0)
    if matrix.shape != (4, 4) or matrix[3].tolist() != [0.0, 0.0, 0.0, 1.0]:
        raise ValueError(f"{path}: expected an ITK transform, or four rows of four numbers, the last 0 0 0 1")
    return _invertible(matrix, path)


def _linear_map(parameters: list[float], center: list[float], path: Path) -> LinearMap:
    """T(x) = L (x − c) + c + t in LPS, as ITK has it."""
    if len(parameters) != 12 or len(center) != 3:
        raise ValueError(f"{path}: expected 12 parameters and a center of 3, got {len(parameters)} and {len(center)}")
    values, middle = (torch.tensor(x, dtype=torch.float64) for x in (parameters, center))
    matrix = torch.eye(4, dtype=torch.float64)
    matrix[:3, :3] = values[:9].view(3, 3)
    matrix[:3, 3] = values[9:] + middle - matrix[:3, :3] @ middle
    return LinearMap(_invertible(FLIP @ matrix @ FLIP, path))


def _invertible(matrix: torch.Tensor, path: Path) -> torch.Tensor:
    if not matrix.isfinite().all() or torch.linalg.det(matrix).abs() < 1e-9:
        raise ValueError(f"{path}: expected a finite, invertible matrix, got {matrix.tolist()}")
    return matrix


def _read_matlab(path: Path) -> Chain:
    try:
        content = scipy.io.loadmat(path)
    except (ValueError, TypeError, IndexError, NotImplementedError, OSError) as error:
        raise ValueError(
            f"{path}: expected the binary .mat of ITK or ANTs, got another file; FSL's matrices mean nothing without"
            " their two images"
        ) from error
    kinds = [name for name in content if name.split("_")[0] in AFFINE_KINDS]
    if len(kinds) != 1 or "fixed" not in content:
        return _read_by_simpleitk(path)
    return Chain((_linear_map(content[kinds[0]].flatten().tolist(), content["fixed"].flatten().tolist(), path),))


def _write_matlab(path: Path, matrix: torch.Tensor) -> None:
    lps = FLIP @ matrix.double() @ FLIP
    parameters = np.concatenate([lps[:3, :3].flatten().numpy(), lps[:3, 3].numpy()])[:, None]
    content = {"AffineTransform_double_3_3": parameters, "fixed": np.zeros((3, 1))}
    write_atomically(path, lambda stream: scipy.io.savemat(stream, content, format="4"))


def _write_matrix(path: Path, matrix: torch.Tensor) -> None:
    write_atomically(path, lambda stream: stream.write(_matrix_text(matrix).encode()))


def _matrix_text(matrix: torch.Tensor) -> str:
    return "".join(" ".join(f"{value + 0.0:.17g}" for value in row) + "\n" for row in matrix.tolist())


def _read_by_simpleitk(path: Path) -> Chain:
    sitk = optional_module("SimpleITK", str(path))
    try:
        transform = sitk.ReadTransform(str(path))
    except RuntimeError as error:
        raise ValueError(f"{path}: expected an ITK transform, got another file") from error
    return Chain(tuple(_maps_of(transform, path)))


def _maps_of(transform: Any, path: Path) -> list[LinearMap | FieldMap]:
    """Maps of SimpleITK's transform in the order in which points pass them."""
    sitk = optional_module("SimpleITK", str(path))
    if transform.GetDimension() != 3:
        raise ValueError(f"{path}: expected a transform of three dimensions, got {transform.GetDimension()}")
    if transform.GetTransformEnum() == sitk.sitkComposite:
        composite = sitk.CompositeTransform(transform)
        parts = [composite.GetNthTransform(k) for k in range(composite.GetNumberOfTransforms())]
        return [found for part in reversed(parts) for found in _maps_of(part, path)]
    if transform.IsLinear():
        ends = np.array([transform.TransformPoint(point) for point in np.vstack([np.zeros(3), np.eye(3)]).tolist()])
        matrix = torch.eye(4, dtype=torch.float64)
        matrix[:3, :3] = torch.from_numpy((ends[1:] - ends[0]).T)
        matrix[:3, 3] = torch.from_numpy(ends[0])
        return [LinearMap(_invertible(FLIP @ matrix @ FLIP, path))]
    if transform.GetTransformEnum() == sitk.sitkDisplacementField:
        image = sitk.DisplacementFieldTransform(transform).GetDisplacementField()
        return [_field_map(image, sitk.GetArrayFromImage(image))]
    raise ValueError(f"{path}: expected affine maps and displacement fields, got ITK's {transform.GetName()}")


def _field_map(image: Any, vectors: np.ndarray) -> FieldMap:
    """A displacement field of SimpleITK and its vectors, (Z, Y, X, 3), LPS mm."""
    direction = np.array(image.GetDirection()).reshape(3, 3) * np.array(image.GetSpacing())
    matrix = torch.eye(4, dtype=torch.float64)
    matrix[:3, :3], matrix[:3, 3] = torch.from_numpy(direction), torch.tensor(image.GetOrigin(), dtype=torch.float64)
    array = vectors.astype(np.float32) * RAS_TO_LPS
    field_mm = torch.from_numpy(np.ascontiguousarray(np.moveaxis(array, -1, 0).transpose(0, 3, 2, 1)))
    return FieldMap(field_mm, Grid(tuple(field_mm.shape[1:]), FLIP @ matrix))
