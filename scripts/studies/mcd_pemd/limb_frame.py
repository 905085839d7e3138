"""How far apart the skin of one leg lies in CT and T1: in the frame that its files share, and after registration.

    python scripts/studies/mcd_pemd/limb_frame.py --data_dir DATA

The trials of affine_trials.py take that frame for the truth. The skin is a second witness, which uses no similarity of
intensities: where the frame were right, both skins would lie on each other.
"""

from pathlib import Path

import numpy as np
import torch
from monai.data import MetaTensor
from scipy import ndimage

from common.data.volume import read_volume
from common.fields.sampling import sample
from common.files import write_json
from common.solvers.affine import affine_by_mutual_information
from common.tools.command_line import run_command
from common.world.grid import Grid, apply_affine

RESULTS = Path(__file__).parents[3] / "docs" / "results"
CT_SKIN_HU = -300.0
T1_SKIN = 0.08  # of the 99th percentile


def limb_frame(data_dir: str, results_dir: str = "") -> None:
    """Write the mean distance from the skin of T1 to that of CT, in the frame and after our alignments, as JSON.

    Args:
        data_dir: folder that holds LimbCTMR.
        results_dir: where the file goes; empty for docs/results.
    """
    fixed, moving = (read_volume(Path(data_dir) / "LimbCTMR" / "sts002" / f"{name}.nii.gz") for name in ("CT", "T1"))
    grid, moving_grid = (Grid.from_image(image) for image in (fixed, moving))
    maps = {"frame": torch.eye(4, dtype=torch.float64)}
    for kind in ("rigid", "affine"):
        maps[kind] = affine_by_mutual_information(fixed.as_tensor(), grid, moving.as_tensor(), moving_grid, kind=kind)
    points, distance, rows = _skin_points(moving), _distance_to_skin(fixed), {}
    for name, matrix in maps.items():
        at = grid.world_to_voxel(apply_affine(torch.linalg.inv(matrix), points))
        found = sample(distance[None], at.float().t()[None, :, :, None, None]).flatten()
        rows[name] = {"mean_mm": found.mean().item(), "percentile_90_mm": found.quantile(0.9).item()}
        print(f"{name:12s} {rows[name]['mean_mm']:.2f} mm, 90th percentile {rows[name]['percentile_90_mm']:.2f} mm")
    write_json(Path(results_dir or RESULTS, "limb_frame.json"), {"num_points": len(points), "skin_distance": rows})


def _body(volume: torch.Tensor, threshold: float) -> np.ndarray:
    """Largest part above a threshold, holes filled: (1, X, Y, Z) → (X, Y, Z) bool."""
    parts, _ = ndimage.label((volume[0] > threshold).numpy())
    return ndimage.binary_fill_holes(parts == np.bincount(parts[parts > 0]).argmax())


def _surface(body: np.ndarray) -> np.ndarray:
    return body & ~ndimage.binary_erosion(body, border_value=1)


def _skin_points(image: MetaTensor) -> torch.Tensor:
    """World points (N, 3) of the skin; no voxel at the border of the image, where the leg goes on, belongs to it."""
    volume = image.as_tensor()
    body = _body(volume, T1_SKIN * torch.quantile(volume.flatten()[::7], 0.99).item())
    surface = torch.from_numpy(_surface(body))
    inside = torch.zeros_like(surface)
    inside[2:-2, 2:-2, 1:-1] = True
    return Grid.from_image(image).voxel_to_world((surface & inside).nonzero())


def _distance_to_skin(image: MetaTensor) -> torch.Tensor:
    """Distance of every voxel to the skin, mm: (1, X, Y, Z)."""
    surface = _surface(_body(image.as_tensor(), CT_SKIN_HU))
    spacing = Grid.from_image(image).spacing
    return torch.from_numpy(ndimage.distance_transform_edt(~surface, sampling=spacing)).float()[None]


if __name__ == "__main__":
    run_command(limb_frame)
