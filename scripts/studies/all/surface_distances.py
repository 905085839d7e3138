"""Show where the largest distances between registered hippocampi lie: at their ends, between their parts, or elsewhere.

python scripts/studies/all/surface_distances.py data/Task04_Hippocampus --bundle bundles/cyclical_self_training
"""

import torch
from monai.metrics.utils import get_mask_edges, get_surface_distance
from torch.nn import functional

from common.data.subjects import hippocampus_pairs
from common.metrics.overlap import label_of, one_hot_label
from common.tools.command_line import run_command
from common.tools.comparison.our_tools import BundleTool
from common.tools.comparison.region_pair import RegionPair
from common.tools.results.tables import markdown_table
from common.world.grid import Grid
from common.world.resample import resample, warp_moving

PLACES = ("between the two structures", "front and back eighth", "elsewhere")
LARGEST = 0.95  # quantile of a pair's distances, from which on they count as its largest
LONG_AXIS = 1  # from back to front, in the scored cube
END = 0.125  # share of a hippocampus along that axis


def surface_distances(
    dataset_dir: str, bundle: str, ckpt_path: str = "", part: str = "tune", num_pairs: int = 50, **overrides
) -> None:
    """Print, for each place, its share of all surfaces and of the largest twentieth of the distances of every pair.

    Args:
        dataset_dir: folder in the Decathlon layout.
        bundle: folder of the bundle that registers.
        ckpt_path: its weights; empty for its models/model.pt.
        part: of splits.json.
        num_pairs: only the first ones.
        **overrides: entries of the bundle's inference.json.
    """
    torch.set_num_threads(1)
    register = BundleTool(bundle, ckpt_path, **overrides)
    found = [torch.cat(_of_pair(RegionPair.read(x), register)) for x in hippocampus_pairs(dataset_dir, part, num_pairs)]
    largest = torch.cat([rows[rows[:, 0] >= rows[:, 0].quantile(LARGEST)] for rows in found])
    everywhere = torch.cat(found)
    table = [
        [place, *(f"{100 * share(rows, k):.0f} %" for rows in (everywhere, largest)), f"{mean(everywhere, k):.2f}"]
        for k, place in enumerate(PLACES)
    ]
    titles = ["place", "of all surfaces", "of the largest twentieth of the distances", "mean distance (mm)"]
    print(markdown_table(titles, table))


def share(rows: torch.Tensor, place: int) -> float:
    """Part of the rows (N, 2), distance and place, that are in one place."""
    return (rows[:, 1] == place).float().mean().item()


def mean(rows: torch.Tensor, place: int) -> float:
    """Mean distance in one place."""
    return rows[rows[:, 1] == place, 0].mean().item()


def _of_pair(pair: RegionPair, register: BundleTool) -> list[torch.Tensor]:
    """Distances in mm and places, (N, 2), from the surfaces of either image to the same of the other."""
    channels = one_hot_label(pair.moving_label, 2)
    field = register(pair).as_tensor()
    label = label_of(warp_moving(channels, Grid.from_image(pair.moving_label), field, pair.grid))
    fixed = resample(pair.fixed_label, Grid.from_image(pair.fixed_label), pair.grid, mode="nearest")
    return distances_and_places(label[0], fixed[0]) + distances_and_places(fixed[0], label[0])


def distances_and_places(label: torch.Tensor, other: torch.Tensor) -> list[torch.Tensor]:
    """Distance of every surface voxel of structures 1 and 2 to the same structure of another label, and where it is.

    Args:
        label: (X, Y, Z), voxels of 1 mm.
        other: (X, Y, Z).

    Returns:
        (N, 2) per structure: mm, and index in ``PLACES``.

    Example:
        >>> label = torch.zeros(16, 32, 16)
        >>> label[4:12, 4:16, 4:12] = 1
        >>> label[4:12, 16:28, 4:12] = 2
        >>> rows = torch.cat(distances_and_places(label, label))
        >>> rows[:, 0].max().item(), rows[:, 1].unique().tolist()
        (0.0, [0.0, 1.0, 2.0])
    """
    y = (label > 0).nonzero()[:, LONG_AXIS]
    length = y.max() - y.min()
    rows = []
    for structure in (1, 2):
        masks = get_mask_edges(label == structure, other == structure, crop=False)
        edges, other_edges = (torch.as_tensor(mask) for mask in masks)
        distances = torch.as_tensor(get_surface_distance(edges, other_edges))
        at = edges.nonzero()
        along = (at[:, LONG_AXIS] - y.min()) / length
        place = torch.full([len(at)], PLACES.index("elsewhere"))
        place[(along < END) | (along > 1 - END)] = PLACES.index("front and back eighth")
        near = functional.max_pool3d((label == 3 - structure)[None, None].float(), 3, 1, 1)[0, 0] > 0
        place[near[edges]] = PLACES.index("between the two structures")
        rows.append(torch.stack([distances.float(), place.float()], dim=1))
    return rows


if __name__ == "__main__":
    run_command(surface_distances)
