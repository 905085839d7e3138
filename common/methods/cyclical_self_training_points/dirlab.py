"""From raw cases of DIR-Lab COPDgene to keypoint archives, by the pre-processing of the paper."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from monai.data import MetaTensor

from ...data.layouts.dirlab import COPD, dirlab_cases, read_dirlab_landmarks, read_dirlab_volume
from ...files import write_atomically
from ...world.grid import Grid, on_grid
from ...world.resample import resample
from .foerstner import foerstner_keypoints
from .from_ct import world_to_units
from .lung_mask import lung_mask
from .sample import MM_PER_UNIT

SHAPE = (192, 192, 208)
SPACING_MM = {"fixed": (1.75, 1.0, 1.25), "moving": (1.75, 1.25, 1.75)}
WINDOWS = {"fixed": 5, "moving": 3}
AIR_HU = -1000.0


def copd_archive(
    case: Mapping[str, str], windows: Mapping[str, int] = WINDOWS, max_points: int = 4096
) -> dict[str, np.ndarray]:
    """Keypoints, landmarks and alignment of one case, as :func:`~.files.read_keypoint_archive` reads them.

    1. Lung masks of both phases by threshold; 2. both resampled, exhaled lungs finer than inhaled ones, which are
    larger, and cropped to a box of 192 × 192 × 208 voxels about the mask; 3. scale and shift along each axis that give
    the fixed mask the mean and deviation of the moving one; Förstner keypoints in the crops. Points stay in true mm:
    crop and scale lie in the alignment, so errors are those of the scans.

    Args:
        case: of :func:`~common.data.layouts.dirlab.dirlab_cases`.
        windows: edge of the cube in which a point is the strongest, voxels of the crops; authors' code: 5 and 3.
        max_points: of each cloud.

    Returns:
        ``fixed_keypoints`` (N, 3), ``moving_keypoints`` (M, 3), ``mm_per_unit`` (3,), ``alignment`` (3, 4), and
        landmarks where the case has them; axes superior, posterior, left.

    Raises:
        ValueError: a file of another form, or no plausible lungs, naming it; an even window.

    Reference:
        Bigalke et al., MICCAI 2023, section 3.1; the spacings as in the authors' VoxelMorph++ (data/readme.md), which
        names the two phases the other way round: only so does the crop hold an inhaled lung of 26 cm and more.
        Differs in step 3, for which the paper names no method.
    """
    if any(window < 1 or window % 2 == 0 for window in windows.values()):
        raise ValueError(f"windows: expected odd numbers of voxels, got {dict(windows)}")
    geometry = COPD[case["case"]]
    points_mm, lungs_mm = {}, {}
    for side in ("fixed", "moving"):
        image = read_dirlab_volume(case[side], geometry)
        mask = lung_mask(image)
        crop, inside = cropped(image, mask, SPACING_MM[side])
        points_mm[side] = foerstner_keypoints(crop, inside, SPACING_MM[side], windows[side], max_points)
        lungs_mm[side] = Grid.from_image(image).voxel_to_world(mask.nonzero())
    fixed = points_mm["fixed"]
    center, scale = (fixed.amin(0) + fixed.amax(0)) / 2, torch.tensor(MM_PER_UNIT)
    lungs = [world_to_units(lungs_mm[side], center, scale) for side in ("fixed", "moving")]
    archive = {"mm_per_unit": scale, "alignment": moment_alignment(*lungs)}
    for side in ("fixed", "moving"):
        archive[f"{side}_keypoints"] = world_to_units(points_mm[side], center, scale)
        if f"{side}_landmarks" in case:
            landmarks = read_dirlab_landmarks(case[f"{side}_landmarks"], geometry)
            archive[f"{side}_landmarks"] = world_to_units(landmarks, center, scale)
    return {key: value.numpy() for key, value in archive.items()}


def cropped(
    image: MetaTensor, mask: torch.Tensor, spacing_mm: Sequence[float], shape: Sequence[int] = SHAPE
) -> tuple[MetaTensor, torch.Tensor]:
    """Image and mask on a grid of this spacing and shape about the middle of the mask's box.

    Args:
        image: (1, X, Y, Z), HU.
        mask: (X, Y, Z), bool.
        spacing_mm: of the axes of the image.
        shape: voxels.

    Returns:
        (1, *shape), air beyond the image, and (*shape), bool.
    """
    source, voxels = Grid.from_image(image), mask.nonzero().double()
    steps = torch.tensor(list(spacing_mm), dtype=torch.float64) / torch.tensor(source.spacing, dtype=torch.float64)
    corner = (voxels.amin(0) + voxels.amax(0)) / 2 - steps * (torch.tensor(list(shape)) - 1) / 2
    affine = source.affine.clone()
    affine[:3, :3] = source.affine[:3, :3] * steps
    affine[:3, 3] = source.voxel_to_world(corner)
    grid = Grid(tuple(shape), affine)
    volume = resample(image.as_tensor(), source, grid, background=AIR_HU)
    return on_grid(volume, grid, like=image), resample(mask.float()[None], source, grid, "nearest", 0.0)[0] > 0.5


def moment_alignment(source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Matrix (3, 4) of the scale and shift along each axis that give one set of points the moments of another.

    Example:
        >>> points = torch.tensor([[0.0, 0, 0], [1.0, 1, 1]])
        >>> moment_alignment(points, 2 * points + 1)[0].tolist()
        [2.0, 0.0, 0.0, 1.0]
    """
    scale = target.std(0) / source.std(0)
    return torch.cat([scale.diag(), (target.mean(0) - scale * source.mean(0))[:, None]], 1)


def write_copd_archives(dataset_dir: str | Path, folder: Path, windows: Mapping[str, int] = WINDOWS) -> list[str]:
    """Write ``copd_01.npz`` and so on into a folder.

    Args:
        dataset_dir: folder of the raw cases.
        folder: that exists.
        windows: see :func:`copd_archive`.

    Returns:
        What each case has: its name and numbers of points.
    """
    lines = []
    for case in dirlab_cases(dataset_dir):
        archive = copd_archive(case, windows)
        write_atomically(folder / f"{case['subject']}.npz", lambda stream, content=archive: np.savez(stream, **content))
        counts = [len(archive[f"{side}_keypoints"]) for side in ("fixed", "moving")]
        lines.append(f"{case['subject']}: {counts[0]} fixed and {counts[1]} moving keypoints")
    return lines
