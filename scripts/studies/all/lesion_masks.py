"""Heads with a lesion that the other image lacks, registered with and without a mask of it, by us and by ANTs.

    python scripts/studies/all/lesion_masks.py data/MultiContrastBrain --tool ours --output lesions.json
    python scripts/studies/all/lesion_masks.py data/MultiContrastBrain --tool ants --output lesions.json --num_heads 1
    python scripts/studies/all/lesion_masks.py --output lesions.json

A T1 head in voxels of 2 mm is moved by a known warp, and a ball of 11 mm radius in one of the two images gets one dark
or bright intensity. Errors are distances from the exact field in mm: within 10 mm around the lesion, and in the rest of
the head. The change of volume in the lesion is the Jacobian determinant of the field there, beside that of the exact
one. The last command prints the table of what has been written; seconds are those of the processor.
"""

import json
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from monai.data import MetaTensor

from common.data.layouts.multi_contrast import multi_contrast_subjects
from common.data.volume import read_volume
from common.fields.ddf import warp
from common.fields.jacobian import jacobian_determinant
from common.fields.sampling import identity_grid
from common.files import write_json
from common.methods.mine_voxelmorph.known_warp import WarpSize, known_warp
from common.registration.greedy import GreedyRefinement, refine_greedily
from common.registration.guidance import Guidance
from common.tools.command_line import run_command
from common.world.grid import Grid, on_grid
from common.world.network_grid import network_grid
from common.world.resample import field_mm_to_ddf, resample_smoothly

SPACING_MM, RADIUS_MM, NEAR_MM, MARGIN_MM = 2.0, 11.0, 10.0, 2.0  # the mask is drawn 2 mm around the lesion
SUBJECTS = ("ms07", "ms26")
LESIONS = (("fixed", "dark", 0.1), ("fixed", "bright", 1.0), ("moving", "dark", 0.1), ("moving", "bright", 1.0))
SIZE = WarpSize(4.0, 12.0, 16.0, 4.0)
ANTS = {"type_of_transform": "SyNOnly", "syn_metric": "CC", "syn_sampling": 2, "reg_iterations": (40, 20, 0)}
COLUMNS = ("near_mm", "rest_mm", "volume", "volume_min", "volume_max", "seconds")


@dataclass
class Case:
    """A pair with a lesion in one image, and the exact field.

    Args:
        fixed: (1, X, Y, Z).
        moving: the same grid.
        mask: 0 in the lesion and around it, on the grid of its image.
        side: "fixed" or "moving", the image with the lesion.
        ddf: exact field, (1, 3, X, Y, Z), voxels.
        distance_mm: of each voxel of the fixed image from the lesion's middle, (X, Y, Z).
        head: (X, Y, Z), bool.
    """

    fixed: MetaTensor
    moving: MetaTensor
    mask: MetaTensor
    side: str
    ddf: torch.Tensor
    distance_mm: torch.Tensor
    head: torch.Tensor

    def scores(self, ddf: torch.Tensor) -> dict[str, float]:
        """Errors in mm and the change of volume of a field, (1, 3, X, Y, Z), voxels."""
        error = SPACING_MM * (ddf - self.ddf).norm(dim=1)[0]
        lesion = self.distance_mm < RADIUS_MM
        near = self.head & ~lesion & (self.distance_mm < RADIUS_MM + NEAR_MM)
        volume = jacobian_determinant(ddf)[0, 0][lesion]
        return {
            "near_mm": error[near].mean().item(),
            "rest_mm": error[self.head & (self.distance_mm >= RADIUS_MM + NEAR_MM)].mean().item(),
            "volume": volume.mean().item(),
            "volume_min": volume.min().item(),
            "volume_max": volume.max().item(),
        }


def make_case(path: str, side: str, value: float, seed: int) -> Case:
    """A head under a seeded warp, with a lesion of one intensity, 0 to 1, in one of the images."""
    image = read_volume(path)
    grid = network_grid(Grid.from_image(image), spacing=[SPACING_MM] * 3)
    volume = resample_smoothly(image.as_tensor(), Grid.from_image(image), grid)
    volume = (volume / volume.flatten().quantile(0.99)).clamp(0, 1)
    head, generator = volume[0] > 0.05, torch.Generator().manual_seed(seed)
    ddf, inverse = known_warp(head, SPACING_MM, SIZE, generator)
    images = {"fixed": volume, "moving": warp(volume[None], inverse, padding_mode="zeros")[0]}
    places = identity_grid(list(head.shape))
    deep = -torch.nn.functional.max_pool3d(-head[None].float(), 15, 1, 7)[0] > 0  # 14 mm from the border
    candidates = deep.nonzero()
    middle = candidates[torch.randint(len(candidates), (1,), generator=generator)[0]].float()
    if side == "moving":
        places = places + ddf[0]
        middle = middle + ddf[0][(slice(None), *middle.long().tolist())]
    distance_mm = SPACING_MM * (places - middle.view(3, 1, 1, 1)).norm(dim=0)
    own_mm = SPACING_MM * (identity_grid(list(head.shape)) - middle.view(3, 1, 1, 1)).norm(dim=0)
    images[side] = torch.where(own_mm < RADIUS_MM, value, images[side])
    mask = (own_mm >= RADIUS_MM + MARGIN_MM).to(torch.uint8)[None]
    volumes = [on_grid(part, grid, like=image) for part in (images["fixed"], images["moving"], mask)]
    return Case(*volumes, side, ddf, distance_mm, head)


def ours(case: Case, with_mask: bool) -> torch.Tensor:
    """The greedy refinement alone."""
    guidance = Guidance(**({f"{case.side}_mask": case.mask} if with_mask else {}))
    field_mm = refine_greedily(case.fixed, case.moving, None, GreedyRefinement(60), guidance=guidance)
    return field_mm_to_ddf(field_mm, Grid.from_image(case.fixed))[None]


def ants(case: Case, with_mask: bool) -> torch.Tensor:
    """SyN with local correlation and the default number of iterations through antspyx, without an affine map."""
    import ants as antspyx

    fixed, moving, mask = (
        antspyx.from_numpy(volume[0].numpy().astype(np.float32), spacing=[SPACING_MM] * 3)
        for volume in (case.fixed.as_tensor(), case.moving.as_tensor(), case.mask.as_tensor())
    )
    options = {"mask" if case.side == "fixed" else "moving_mask": mask, "mask_all_stages": True} if with_mask else {}
    with tempfile.TemporaryDirectory() as folder:
        result = antspyx.registration(fixed, moving, outprefix=f"{folder}/syn", random_seed=1, **ANTS, **options)
        path = antspyx.apply_transforms(fixed, moving, result["fwdtransforms"], compose=f"{folder}/total")
        field_mm = antspyx.image_read(path).numpy().reshape(*case.head.shape, 3)
    return torch.from_numpy(field_mm).movedim(-1, 0)[None].float() / SPACING_MM


def nothing(case: Case, with_mask: bool) -> torch.Tensor:
    """No registration."""
    return torch.zeros_like(case.ddf)


def exact(case: Case, with_mask: bool) -> torch.Tensor:
    """The field that was drawn."""
    return case.ddf


TOOLS: dict[str, Callable[[Case, bool], torch.Tensor]] = {"ours": ours, "ants": ants, "none": nothing, "exact": exact}


def lesion_masks(
    dataset_dir: str = "", tool: str = "ours", output: str = "lesion_masks.json", num_heads: int = len(SUBJECTS)
) -> str:
    """Register all cases without and with the mask, add them to a file, and return its table.

    Args:
        dataset_dir: folder in the multi-contrast layout; empty for the table alone.
        tool: ours, ants, none or exact.
        output: JSON file.
        num_heads: of the two.
    """
    torch.set_num_threads(1)
    path = Path(output)
    rows = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
    if dataset_dir:
        rows = [row for row in rows if row["tool"] != tool]
        for row in _scored(dataset_dir, tool, num_heads):
            rows.append(row)
            write_json(path, rows)
    return _table(rows)


def _scored(dataset_dir: str, tool: str, num_heads: int) -> Iterator[dict]:
    subjects = {row["subject"]: row["T1"] for row in multi_contrast_subjects(dataset_dir, ("T1",))}
    for seed, subject in enumerate(SUBJECTS[:num_heads]):
        for side, name, value in LESIONS:
            case = make_case(subjects[subject], side, value, seed)
            for with_mask in (False, True):
                started = time.process_time()
                scores = case.scores(TOOLS[tool](case, with_mask))
                scores["seconds"] = time.process_time() - started
                what = {"tool": tool, "subject": subject, "lesion": f"{side}, {name}", "mask": with_mask}
                yield what | scores


def _table(rows: list[dict]) -> str:
    lines = ["| tool | mask | lesion | " + " | ".join(COLUMNS) + " |", "|---|---|---|" + "---:|" * len(COLUMNS)]
    groups = dict.fromkeys((row["tool"], row["mask"], row["lesion"].split(", ")[0]) for row in rows)
    for tool, mask, side in groups:
        chosen = [r for r in rows if (r["tool"], r["mask"], r["lesion"].split(", ")[0]) == (tool, mask, side)]
        means = [np.mean([row[column] for row in chosen]) for column in COLUMNS]
        lines.append(f"| {tool} | {'yes' if mask else 'no'} | {side} | " + " | ".join(f"{x:.2f}" for x in means) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    run_command(lesion_masks)
