"""Keypoint clouds on disk: NumPy archives, and Learn2Reg tables of voxel coordinates."""

import zipfile
from pathlib import Path

import nibabel as nib
import numpy as np
import torch

from ...world.grid import Grid

CLOUD_KEYS = {
    "fixed_keypoints": "fixed_points",
    "moving_keypoints": "moving_points",
    "fixed_landmarks": "fixed_landmarks",
    "moving_landmarks": "moving_landmarks",
}
"""Name in an archive → our word."""
OTHER_KEYS = ("mm_per_unit", "alignment")


def read_keypoint_archive(path: str | Path) -> dict[str, torch.Tensor]:
    """Reads the two clouds of one case from an ``.npz`` file.

    Args:
        path: archive with ``fixed_keypoints`` (N, 3), ``moving_keypoints`` (M, 3), ``mm_per_unit`` (3,) and, where
            known, ``fixed_landmarks`` and ``moving_landmarks`` (L, 3), and ``alignment`` (3, 4), which maps fixed
            points to the moving cloud; coordinates in [−1, 1].

    Returns:
        ``fixed_points``, ``moving_points``, ``mm_per_unit``, and landmarks and alignment where there are any; float32.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not such an archive, or clouds that :func:`check_clouds` refuses; names the file.
    """
    try:
        with np.load(Path(path).expanduser(), allow_pickle=False) as archive:
            content = {key: np.asarray(archive[key]) for key in archive.files if key in (*CLOUD_KEYS, *OTHER_KEYS)}
    except FileNotFoundError:
        raise
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path}: expected a NumPy archive of keypoints, got {error}") from error
    missing = {"fixed_keypoints", "moving_keypoints", "mm_per_unit"} - content.keys()
    if missing:
        raise ValueError(
            f"{path}: expected {', '.join(sorted(missing))}, got {', '.join(content) or 'nothing of these'}"
        )
    pair = {CLOUD_KEYS.get(key, key): torch.as_tensor(value, dtype=torch.float32) for key, value in content.items()}
    check_clouds(pair, str(path))
    return pair


def read_keypoint_table(path: str | Path) -> torch.Tensor:
    """Reads a Learn2Reg table of points: comma-separated voxel coordinates, with or without a line of names.

    Args:
        path: CSV file with three columns (one image), or six (fixed, then moving).

    Returns:
        (N, 3) or (N, 6), float64, voxels.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not such a table; names the file.
    """
    rows = [
        line.split(",") for line in Path(path).expanduser().read_text(encoding="utf-8").splitlines() if line.strip()
    ]
    if rows and not any(_is_number(cell) for cell in rows[0]):
        rows = rows[1:]
    try:
        table = np.array(rows, dtype=np.float64, ndmin=2)
    except ValueError as error:
        raise ValueError(f"{path}: expected comma-separated numbers, got {error}") from error
    if table.size == 0 or table.shape[1] not in (3, 6) or not np.isfinite(table).all():
        raise ValueError(f"{path}: expected 3 or 6 columns of finite numbers, got a table of shape {table.shape}")
    return torch.from_numpy(table)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def voxels_to_units(points_voxels: torch.Tensor, grid: Grid) -> torch.Tensor:
    """Voxels of a grid → [−1, 1] along each axis, −1 and 1 at the outermost voxel centers: (N, 3) → (N, 3).

    Example:
        >>> voxels_to_units(torch.tensor([[0.0, 4.0, 2.0]]), Grid((5, 5, 5), torch.eye(4))).tolist()
        [[-1.0, 1.0, 0.0]]
    """
    half = (torch.tensor(grid.spatial_shape, dtype=torch.float64) - 1) / 2
    return (points_voxels.double() / half - 1).float()


def unit_mm(grid: Grid) -> torch.Tensor:
    """Millimeters of one unit of :func:`voxels_to_units`, (3,)."""
    half = (torch.tensor(grid.spatial_shape, dtype=torch.float64) - 1) / 2
    return (half * torch.tensor(grid.spacing)).float()


def cloud_axes(grid: Grid) -> tuple[list[int], list[float]]:
    """Which voxel axis runs along each axis of the clouds (superior, posterior, left), and whether it is reversed.

    Args:
        grid: of an image whose axes lie in any order; oblique ones are taken for the closest.

    Returns:
        Number of the voxel axis, and 1 or −1, for each of the three.

    Example:
        >>> cloud_axes(Grid((5, 5, 5), torch.eye(4)))  # RAS
        ([2, 1, 0], [1.0, -1.0, -1.0])
    """
    orientation = nib.io_orientation(grid.affine.numpy())
    place = {int(world): (axis, float(sign)) for axis, (world, sign) in enumerate(orientation)}
    wanted = [(2, 1.0), (1, -1.0), (0, -1.0)]
    return [place[world][0] for world, _ in wanted], [place[world][1] * sign for world, sign in wanted]


def check_clouds(pair: dict[str, torch.Tensor], name: str, min_points: int = 2) -> None:
    """Refuses clouds that no registration can use.

    Args:
        pair: ``fixed_points``, ``moving_points``, ``mm_per_unit``, and landmarks where known.
        name: file or case, for the message.
        min_points: fewest points of a cloud, k of its neighborhoods.

    Raises:
        ValueError: a wrong shape, NaN or infinite coordinates, too few points, repeated points, coordinates beyond
            [−1, 1], clouds that hardly overlap, landmarks that do not correspond, a scale that is not positive, an
            alignment that is no matrix (3, 4).
    """
    for key in ("fixed_points", "moving_points"):
        if key not in pair:
            raise ValueError(f"{name}: expected a pair of keypoint clouds with {key}, got {', '.join(pair)}")
        points = pair[key]
        if points.ndim != 2 or points.shape[1] != 3:
            raise ValueError(f"{name}: expected {key} of shape (N, 3), got {tuple(points.shape)}")
        if not points.isfinite().all():
            raise ValueError(f"{name}: expected finite coordinates in {key}, got NaN or infinity")
        if len(points) < min_points:
            raise ValueError(f"{name}: expected at least {min_points} points in {key}, got {len(points)}")
        distinct = len(points.unique(dim=0))
        if distinct < len(points):
            raise ValueError(f"{name}: expected distinct points in {key}, got {len(points) - distinct} repeated ones")
        if points.abs().max() > 1.5:
            raise ValueError(f"{name}: expected {key} in [−1, 1], got coordinates up to {points.abs().max():.3g}")
    _check_frame(pair["fixed_points"], pair["moving_points"], name)
    scale = pair["mm_per_unit"]
    if scale.shape != (3,) or not (scale > 0).all():
        raise ValueError(f"{name}: expected mm_per_unit to be three positive numbers, got {scale.tolist()}")
    alignment = pair.get("alignment", torch.zeros(3, 4))
    if alignment.shape != (3, 4) or not alignment.isfinite().all():
        raise ValueError(f"{name}: expected alignment to be a finite matrix (3, 4), got {alignment.tolist()}")
    marks = [pair[key].shape for key in ("fixed_landmarks", "moving_landmarks") if key in pair]
    if marks and (len(marks) == 1 or marks[0] != marks[1] or marks[0][1:] != (3,)):
        raise ValueError(f"{name}: expected fixed and moving landmarks (L, 3) that correspond, got {marks}")


def _check_frame(fixed: torch.Tensor, moving: torch.Tensor, name: str) -> None:
    """Two phases of one chest overlap: neither box may lie off, or be more than three times the other."""
    lowest = torch.maximum(fixed.amin(0), moving.amin(0))
    highest = torch.minimum(fixed.amax(0), moving.amax(0))
    extents = fixed.amax(0) - fixed.amin(0), moving.amax(0) - moving.amin(0)
    share = ((highest - lowest).clamp(min=0) / torch.maximum(*extents).clamp(min=1e-9)).min()
    if share < 1 / 3:
        raise ValueError(
            f"{name}: expected clouds in one frame, got fixed points in {_box(fixed)}, moving points in {_box(moving)}"
        )


def _box(points: torch.Tensor) -> str:
    return " × ".join(f"[{low:.2f}, {high:.2f}]" for low, high in zip(points.amin(0), points.amax(0), strict=True))
